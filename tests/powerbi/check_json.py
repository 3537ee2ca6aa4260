"""Checks every JSON file of a PBIP folder against the Microsoft schema that it names, and references between the files.

usage: check_json.py PBIP_FOLDER SCHEMA_FOLDER
"""

import json
import sys
from pathlib import Path

from jsonschema import Draft7Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT7

NAMES = ("*.pbip", "*.pbism", "*.pbir", ".platform", "*.json")


def schemas_of(folder: Path) -> dict[str, dict]:
    """The schemas by their URL."""
    index = json.loads((folder / "INDEX.json").read_text())
    return {url: json.loads((folder / name).read_text()) for url, name in index.items()}


def registry_of(schemas: dict[str, dict]) -> Registry:
    """Resolves references between schemas.

    The wheel has not the schema of what is inside a visual; whatever stands there passes, and the end says so.
    """

    def retrieve(url: str) -> Resource:
        return Resource.from_contents(schemas.get(url, {}), default_specification=DRAFT7)

    return Registry(retrieve=retrieve)


def reference_errors(project: Path) -> list[str]:
    """Paths between files that lead nowhere."""
    wrong = []
    for shortcut in project.glob("*.pbip"):
        for artifact in json.loads(shortcut.read_text())["artifacts"]:
            report = project / artifact["report"]["path"]
            definition = report / "definition.pbir"
            if not definition.exists():
                wrong.append(f"{shortcut.name}: no report at {report}")
                continue
            model = report / json.loads(definition.read_text())["datasetReference"]["byPath"]["path"]
            if not (model / "definition.pbism").exists():
                wrong.append(f"{definition}: no model at {model}")
            pages = report / "definition" / "pages"
            for page in json.loads((pages / "pages.json").read_text())["pageOrder"]:
                if not (pages / page / "page.json").exists():
                    wrong.append(f"pages.json: no page {page}")
    return wrong


def main() -> int:
    project, schemas = Path(sys.argv[1]), schemas_of(Path(sys.argv[2]))
    registry = registry_of(schemas)
    wrong, checked = [], 0
    for path in sorted({path for name in NAMES for path in project.rglob(name)}):
        try:
            document = json.loads(path.read_text())
        except ValueError as error:
            wrong.append(f"{path}: {error}")
            continue
        schema = schemas.get(document.get("$schema", ""))
        if schema is None:
            wrong.append(f"{path}: no known $schema")
            continue
        errors = Draft7Validator(schema, registry=registry).iter_errors(document)
        wrong.extend(f"{path}: {error.json_path}: {error.message}" for error in errors)
        checked += 1
    if checked:
        wrong.extend(reference_errors(project))
    for line in wrong:
        print(f"json {line}", file=sys.stderr)
    print(f"json: {checked} files checked, {len(wrong)} errors; the inside of visuals has no schema here")
    return 1 if wrong or not checked else 0


sys.exit(main())
