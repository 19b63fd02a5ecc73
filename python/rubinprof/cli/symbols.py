"""rubinprof symbols: makes the names of a release once, for the traces of all its jobs."""

import sys

from rubinprof.cli import COMMANDS, as_help
from rubinprof.errors import RubinprofError

EXIT_CHECK_FAILED = 1
EXIT_BAD_USE = 2


def add_parser(subparsers):
    parser = subparsers.add_parser(
        "symbols",
        help=as_help(COMMANDS["symbols"]),
        description=COMMANDS["symbols"],
        epilog="example: rubinprof symbols build $CONDA_PREFIX -o /cvmfs/…/symbols; then RUBINPROF_SYMBOLS=/cvmfs/…/symbols in the jobs",
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    build = actions.add_parser("build", help="make a bundle of all code below some directories", description="Make a symbol bundle, or make it anew.")
    build.add_argument("prefix", metavar="PREFIX", nargs="+", help="a directory of the release, under the name that its jobs know it by")
    build.add_argument("-o", "--output", metavar="DIR", required=True, help="where the bundle shall be")
    build.add_argument("-j", dest="jobs", type=int, metavar="N", help="processes at the same time (default: as there are cores)")
    verify = actions.add_parser("verify", help="check that a bundle is whole", description="Check a bundle. Exits with 1 when it is not whole.")
    verify.add_argument("directory", metavar="DIR")
    parser.set_defaults(parser=parser)


def run(args):
    try:
        return _build(args) if args.action == "build" else _verify(args)
    except (RubinprofError, ImportError) as error:
        print(f"rubinprof symbols: {error}", file=sys.stderr)
        return EXIT_BAD_USE


def _build(args):
    from rubinprof.symbols import build_bundle

    def tell(done, of):
        if sys.stderr.isatty():
            print(f"\r{done} of {of} files", end="\n" if done == of else "", file=sys.stderr, flush=True)

    made = build_bundle(args.prefix, args.output, args.jobs, tell)
    print(f"{args.output}: bundle {made['id']}, {made['objects']} objects, {made['codes']} code objects of {made['files']} source files")
    return 0


def _verify(args):
    from rubinprof.symbols import open_bundle

    bundle = open_bundle(args.directory)
    faults = bundle.faults()
    for fault in faults:
        print(fault)
    if not faults:
        print(f"{args.directory}: bundle {bundle.id} is whole, {len(bundle.tables()) - 1} objects")
    return EXIT_CHECK_FAILED if faults else 0
