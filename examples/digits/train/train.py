"""Trains a classifier on scikit-learn's digits and keeps some test images back for the deployed model."""

import argparse
import json
import pathlib
import time

import joblib
import mlflow
import numpy
from sklearn.datasets import load_digits
from sklearn.metrics import accuracy_score
from sklearn.model_selection import train_test_split
from sklearn.svm import SVC


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--gamma", type=float, required=True)
    parser.add_argument("--cost", type=float, required=True)
    parser.add_argument("--model", type=pathlib.Path, required=True)
    parser.add_argument("--held-back", type=pathlib.Path, required=True)
    arguments = parser.parse_args()

    digits = load_digits()
    train_images, test_images, train_labels, test_labels = train_test_split(
        digits.data, digits.target, test_size=0.25, random_state=7, stratify=digits.target
    )
    print(f"{len(train_images)} images to learn from, {len(test_images)} to test with", flush=True)
    mlflow.log_params({"gamma": arguments.gamma, "cost": arguments.cost})

    # Growing shares of the data show how accuracy rises; the last model is kept.
    model = SVC(gamma=arguments.gamma, C=arguments.cost)
    for step, share in enumerate((0.1, 0.25, 0.5, 0.75, 1.0), start=1):
        count = int(len(train_images) * share)
        started = time.perf_counter()
        model.fit(train_images[:count], train_labels[:count])
        accuracy = accuracy_score(test_labels, model.predict(test_images))
        mlflow.log_metric("accuracy", accuracy, step=step)
        seconds = time.perf_counter() - started
        print(f"step {step}: {count} images, accuracy {accuracy:.4f}, {seconds:.2f} s", flush=True)

    arguments.model.mkdir(parents=True, exist_ok=True)
    joblib.dump(model, arguments.model / "model.joblib")

    arguments.held_back.mkdir(parents=True, exist_ok=True)
    chosen = numpy.random.default_rng(7).choice(len(test_images), size=40, replace=False)
    request = {"data": test_images[chosen].tolist()}
    (arguments.held_back / "request.json").write_text(json.dumps(request))
    (arguments.held_back / "labels.json").write_text(json.dumps(test_labels[chosen].tolist()))

    summary = {"accuracy": accuracy, "test_images": len(test_images)}
    pathlib.Path("outputs").mkdir(exist_ok=True)
    pathlib.Path("outputs/summary.json").write_text(json.dumps(summary))
    print(f"accuracy on the test split: {accuracy:.4f}", flush=True)


if __name__ == "__main__":
    main()
