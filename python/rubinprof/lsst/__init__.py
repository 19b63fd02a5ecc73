"""Tracing of pipelines that run on the Rubin middleware.

The only part of rubinprof that imports ``lsst``; nothing else imports this
package. `~rubinprof.lsst.hook` and `~rubinprof.lsst.pipetask` give
``pipetask`` its ``--rubinprof`` flag, `~rubinprof.lsst.option` is that flag,
`~rubinprof.lsst.task_factory` makes a region of every quantum and
`~rubinprof.lsst.process_trace` holds the one trace of a process.
"""
