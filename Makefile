# Everything a contributor types. Each target uses the Python that is on the path.

.PHONY: install test lint format layouts benchmarks geometry train

DATA ?= ../shared/data
PHOTO ?= $(DATA)/media/one-face.jpg
YUNET ?= $(DATA)/models/face_detection_yunet_2026may.onnx
# Where the data set is written out in the layouts that people have.
LAYOUTS ?= runs/layouts

install:
	pip install -c constraints.txt -e '.[dev]'

test:
	pytest

lint:
	ruff check .
	ruff format --check .
	mypy

format:
	ruff format .
	ruff check --fix .

layouts:
	python $(DATA)/../tools/make_datasets.py $(LAYOUTS) --only kaggle-csv folders tiny

KERAS ?= keras/bin/python

benchmarks: layouts
	python benchmarks/import_csv.py $(LAYOUTS)/kaggle-csv/fer2013.csv
	python benchmarks/import_images.py $(LAYOUTS)/folders $(LAYOUTS)/tiny
	python benchmarks/audit.py $(DATA)/fer2013.parquet
	python benchmarks/training_speed.py $(DATA)/fer2013.parquet --keras $(KERAS)
	python benchmarks/svm_tuning.py $(DATA)/fer2013.parquet
	python benchmarks/score_model.py $(DATA)/fer2013.parquet
	python benchmarks/certainty.py $(DATA)/fer2013.parquet --write
	mien evaluate mien-small $(DATA)/fer2013.parquet --flip --robustness --no-pictures --out runs/mien-small
	cp runs/mien-small/evaluation.json benchmarks/results/mien-small-evaluation.json
	python benchmarks/evaluation_cost.py $(DATA)/fer2013.parquet
	python benchmarks/crop_loss.py $(DATA)/fer2013.parquet --yunet $(YUNET)
	python benchmarks/startup.py $(PHOTO)
	python benchmarks/memory.py $(PHOTO)
	python benchmarks/base_install.py
	python benchmarks/document.py

geometry:
	python benchmarks/crop_geometry.py $(DATA)/fer2013.parquet --yunet $(YUNET) --write

train:
	mien train mien-small --data $(DATA)/fer2013.parquet
