"""dealwright version: what is installed."""

from admin.cli.output import JsonOption, emit, emit_json


def version(as_json: JsonOption = False) -> None:
    """Print the versions of the program, the engine and the rule language."""
    from importlib.metadata import version as installed

    import dealwright_engine

    versions = {
        "dealwright": installed("dealwright-server"),
        "engine": dealwright_engine.VERSION,
        "rule_language": dealwright_engine.RULE_LANGUAGE,
    }
    if as_json:
        emit_json(versions)
    else:
        emit(", ".join(f"{name.replace('_', ' ')} {value}" for name, value in versions.items()))
