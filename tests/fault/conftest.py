import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # import-mode=importlib does not, and the tests share kill_runs
