"""Any file that Duet reads to a Duet safetensors file: python3 scripts/convert_checkpoint.py SOURCE TARGET.safetensors

    --kind    model, motion or controlnet; without it the file tells (of a DisCo checkpoint, the model)
    --half    store fp16

A .ckpt, .pth or .pt is read for its tensors only, so nothing in it runs. Run it in the environment of the host:
python3 scripts/host.py exec python scripts/convert_checkpoint.py ...
"""

import argparse
import importlib.util
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
if "pack" not in sys.modules:
    spec = importlib.util.spec_from_file_location("pack", ROOT / "__init__.py", submodule_search_locations=[str(ROOT)])
    sys.modules["pack"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules["pack"])

from pack.models.files import convert  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--kind", choices=("model", "motion", "controlnet"))
    parser.add_argument("--half", action="store_true")
    options = parser.parse_args()
    try:
        print(convert(options.source, options.target, options.kind, options.half)[1].text)
    except ValueError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
