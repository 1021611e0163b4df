"""Every endpoint has a contract, and the console's types are generated from it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from server.app import ENDPOINTS
from server.web import openapi
from server.web.http import Endpoint

ROOT = Path(__file__).parents[2]
GENERATED = ROOT / "agents_ui" / "src" / "generated"


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda item: f"{item.method} {item.path}")
def test_every_endpoint_has_a_response_model_or_names_its_media_type(endpoint: Endpoint) -> None:
    assert (endpoint.response is None) != (endpoint.response_type is None)


def test_no_two_models_of_the_api_share_a_name() -> None:
    """If two models share a name, pydantic adds the module to both (`a__b`), and the console's types inherit that."""
    assert [name for name in openapi.feature_by_model(ENDPOINTS) if "__" in name] == []


def test_each_feature_has_one_generated_file_and_each_model_is_in_one_of_them() -> None:
    features = {feature for feature in openapi.feature_by_model(ENDPOINTS).values() if feature != "frames"}
    assert {file.stem for file in GENERATED.glob("*.ts")} == features | {"protocol"}
    for name, feature in openapi.feature_by_model(ENDPOINTS).items():
        file = GENERATED / f"{'protocol' if feature == 'frames' else feature}.ts"
        model_name = name.removesuffix("-Output").replace("-Input", "Input")
        assert re.search(rf"export (interface|type) {model_name}\b", file.read_text("utf-8")), (
            f"{model_name} is not in {file.name}"
        )
