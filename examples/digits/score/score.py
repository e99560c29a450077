"""Scoring script: answers {"data": [[64 grey values], ...]} with one digit per image."""

import json
import os
import pathlib

import joblib
import numpy

model = None


def init() -> None:
    global model
    folder = pathlib.Path(os.environ["AZUREML_MODEL_DIR"])
    path = next(folder.rglob("model.joblib"), None)
    if path is None:
        raise FileNotFoundError(f"no model.joblib below {folder}")
    model = joblib.load(path)


def run(raw_data: str) -> list:
    images = numpy.array(json.loads(raw_data)["data"], dtype=float)
    return model.predict(images).tolist()
