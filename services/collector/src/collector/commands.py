"""What can be done with recordings that are there: verify, repair, merge, index."""

import json
import time
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from collector.errors import CollectorError

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False, no_args_is_help=True)
ENDED, FAULTS, USAGE = 0, 1, 2
Directory = Annotated[
    Path, typer.Argument(metavar="DIR", help="Folder of recordings; folders in it are looked at too.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")]


@app.command()
def verify(directory: Directory, as_json: Json = False) -> None:
    """Read every recording whole: its members, its lines, its ids, and whether its manifest is true. Nothing is changed.

    Exit codes: 0 all is as it should be (gaps that the recordings state included), 1 something is not, 2 usage.
    """
    from collector.examine import examine, join_days

    found = [examine(path) for path in _recordings(directory)]
    join_days(found)
    if as_json:
        print(json.dumps([each.plain() for each in found]))
    else:
        for each in found:
            tally = each.tally
            verdict = "FAULT" if each.faults else "ok"
            gaps = f"{len(tally.gaps)} gaps, {sum(hole.length_ns or 0 for hole in tally.gaps) / 1e9:.1f} s"
            print(f"{verdict:<5} {each.path}: {tally.lines:,} lines, {tally.members:,} members, {gaps}")
            for text in [*each.faults, *each.notes]:
                print(f"      {text}")
    raise typer.Exit(FAULTS if any(each.faults for each in found) else ENDED)


@app.command()
def repair(directory: Directory, as_json: Json = False) -> None:
    """Mend torn and damaged ends, as the recorder does at its start, and make manifests that are missing or not true.

    What is whole is never touched; what is cut from damage is kept beside the file. Recordings that are being written are left alone.

    Exit codes: 0 done, 1 something could not be repaired, 2 usage.
    """
    from collector.examine import repair_all

    done, refused = repair_all(_recordings(directory))
    if as_json:
        print(
            json.dumps(
                {
                    "done": {str(key): value for key, value in done.items()},
                    "refused": {str(key): value for key, value in refused.items()},
                }
            )
        )
    else:
        for path, what in done.items():
            print(f"{path}: {'; '.join(what) or 'nothing to do'}")
    for why in refused.values():
        typer.echo(f"collector: {why}", err=True)
    raise typer.Exit(FAULTS if refused else ENDED)


@app.command()
def merge(
    a: Annotated[Path, typer.Argument(metavar="A", help="A folder of recordings, or one recording.")],
    b: Annotated[Path, typer.Argument(metavar="B", help="Another of the same kind.")],
    into: Annotated[Path, typer.Option(metavar="DIR", help="Where the result goes; made when missing.")] = Path(
        "merged"
    ),
    as_json: Json = False,
) -> None:
    """Make one recording of two of the same market: what one lacks is taken from the other, by update and trade id.

    What both have bears the earlier stamp. It is said what each filled for the other. A and B are only read; nothing is written over.

    Exit codes: 0 done, 1 done, but lines were left out because the two clocks are too far apart, 2 usage (also: two markets of one symbol).
    """
    from collector.merge_files import merge as merge_pair
    from collector.merge_files import pairs

    outcomes = []
    try:
        found = pairs(a, b)
        into.mkdir(parents=True, exist_ok=True)
        for sources in found:
            outcome = merge_pair(sources, into)
            outcomes.append(outcome)
            if not as_json:
                print("\n".join(outcome.lines()), flush=True)
    except (CollectorError, OSError) as error:
        _quit(str(error))
    if as_json:
        print(json.dumps([each.plain() for each in outcomes]))
    raise typer.Exit(FAULTS if any(each.merged is not None and each.merged.late for each in outcomes) else ENDED)


@app.command()
def index(
    directory: Directory,
    as_json: Json = False,
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a calendar as an HTML page.")] = None,
) -> None:
    """Say what is there, by symbol and day, and what is missing of each day.

    Manifests are believed where they agree with their files; what is behind them, or has none, is read.

    Exit codes: 0 done, 2 usage.
    """
    from collector.manifest_file import count, key_of, read_manifest
    from collector.survey import calendar, rows, table

    files = {}
    for path in _recordings(directory):
        key = key_of(path)
        assert key is not None
        folder = str(path.parent.relative_to(directory))
        files["" if folder == "." else folder, *key] = (path.name, count(path, read_manifest(path))[0])
    found = rows(files, time.time_ns())
    try:
        if html is not None:
            html.write_text(calendar(found))
    except OSError as error:
        _quit(f"{html}: {error.strerror}")
    print(json.dumps([row.plain() for row in found]) if as_json else table(found))


def _recordings(directory: Path) -> list[Path]:
    from collector.manifest_file import recordings

    try:
        found = recordings(directory)
    except OSError as error:
        _quit(f"{directory}: {error.strerror}")
    if not found:
        _quit(f"there is no recording (SYMBOL_YYYYMMDD.gz) in {directory}")
    return found


def _quit(text: str) -> NoReturn:
    typer.echo(f"collector: {text}", err=True)
    raise typer.Exit(USAGE)
