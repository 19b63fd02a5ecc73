"""A small survey of simulated stars, processed by the Rubin middleware.

Each module holds one task of the pipeline in ``pipeline.yaml``, except
`starfield.camera`, which describes the instrument, and `starfield.catalog`,
which invents the stars.
"""
