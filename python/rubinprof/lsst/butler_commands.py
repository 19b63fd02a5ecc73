"""``butler ingest-rubinprof REPO TRACES…``: traces of quanta as datasets of the runs that the quanta belong to.

The butler finds it by the entry point group ``butler.cli``, which is meant for subcommands of other packages.
"""

import click

__all__ = ["commands", "ingest_rubinprof"]


@click.command("ingest-rubinprof", short_help="Ingest rubinprof traces of quanta.")
@click.argument("repo")
@click.argument("traces", nargs=-1, required=True)
@click.option("-t", "--transfer", default="direct", show_default=True, type=click.Choice(["direct", "copy", "move", "hardlink", "symlink"]), help="What becomes of the files.")
def ingest_rubinprof(repo: str, traces: tuple[str, ...], transfer: str) -> None:
    """Ingest traces that 'pipetask --rubinprof' wrote.

    Each quantum becomes a dataset of type LABEL_rubinprof in its own run. TRACES are files and directories.
    """
    from rubinprof.errors import RubinprofError

    from .ingest import ingest

    try:
        done = ingest(repo, traces, transfer)
    except RubinprofError as error:
        raise click.ClickException(str(error)) from None
    for reason in done.refused:
        click.echo(f"Not read: {reason}", err=True)
    click.echo(f"{done.new:,} quanta ingested; {done.known:,} were there.")


def commands() -> list[click.Command]:
    """What the entry point names."""
    return [ingest_rubinprof]
