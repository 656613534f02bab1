"""Probes and erasure against scikit-learn, concept-erasure and the reference INLP, on one thread.

Activations are synthetic: a decaying spectrum and two features of very large scale, as residual streams have them, and
once a flat spectrum, on which a plain L-BFGS is at its best. Every peer has its best setting: scikit-learn the fastest
of its solvers and precisions at equal AUC, all on one thread (set OPENBLAS_NUM_THREADS and OMP_NUM_THREADS to 1, since
they count only before numpy loads). Times are of the process, not of the clock.

The reference INLP is not on any index: a clone of github.com/shauli-ravfogel/nullspace_projection belongs into
`.bench/nullspace_projection`.
"""

from __future__ import annotations

import contextlib
import io
import os
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

REFERENCE = Path(__file__).resolve().parents[1] / ".bench" / "nullspace_projection"
SKILLS, LAYERS, FOLDS, ROWS, WIDTH = 9, 16, 5, 2000, 512


def _timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """CPU seconds and what came of it."""
    started = time.process_time()
    result = work()
    return time.process_time() - started, result


def _median(work: Callable[[], Any], rounds: int = 5) -> tuple[float, Any]:
    runs = [_timed(work) for _ in range(rounds)]
    return statistics.median(seconds for seconds, _ in runs), runs[0][1]


class Stream:
    """Makes activations and labels of one kind; layers differ in their rotation, skills in their direction."""

    def __init__(self, decay: float, outliers: bool, width: int = WIDTH, seed: int = 0) -> None:
        self.generator = np.random.default_rng(seed)
        self.width, self.outliers = width, outliers
        self.spectrum = np.arange(1, width + 1, dtype=np.float32) ** -decay
        self.turn()

    def turn(self) -> None:
        rotation, _ = np.linalg.qr(self.generator.standard_normal((self.width, self.width)))
        self.rotation = rotation.astype(np.float32)

    def draw(self, rows: int) -> tuple[np.ndarray, np.ndarray]:
        x = self.generator.standard_normal((rows, self.width), np.float32) * self.spectrum @ self.rotation.T
        w = self.rotation @ (self.generator.standard_normal(self.width) / np.sqrt(self.spectrum)).astype(np.float32)
        signal = x @ w
        met = 2 * signal / signal.std() + self.generator.logistic(size=rows) > 0
        if self.outliers:
            x[:, 3] *= 30
            x[:, 7] *= 50
        return x + self.generator.standard_normal(self.width).astype(np.float32), met


def _logistic_grid(name: str, decay: float, outliers: bool) -> None:
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score

    from adhere.explain.probing import logistic

    stream = Stream(decay, outliers)
    fold = np.arange(ROWS) % FOLDS
    train = fold[:, None] != np.arange(FOLDS)

    def theirs(x: np.ndarray, met: np.ndarray, wide: bool, **how: Any) -> np.ndarray:
        scores = np.empty(ROWS)
        for number in range(FOLDS):
            rows = train[:, number]
            part = x[rows].astype(np.float64 if wide else np.float32)
            middle, spread = part.mean(axis=0), part.std(axis=0)
            model = LogisticRegression(max_iter=1000, **how).fit((part - middle) / spread, met[rows])
            scores[~rows] = model.decision_function((x[~rows] - middle) / spread)
        return scores

    def ours(x: np.ndarray, met: np.ndarray) -> np.ndarray:
        return logistic.fit(x, met, train).scores(x)[np.arange(ROWS), fold]

    x, met = stream.draw(ROWS)
    settings: list[tuple[bool, dict[str, Any]]] = [
        (wide, {"solver": solver}) for wide in (False, True) for solver in ("lbfgs", "newton-cholesky", "liblinear")
    ]
    tried = [(_timed(lambda s=s: theirs(x, met, s[0], **s[1]))[0], k) for k, s in enumerate(settings)]  # type: ignore[misc]
    wide, how = settings[min(tried)[1]]
    spent, peer, gaps, same = 0.0, 0.0, [], []
    ours(x, met)
    for _ in range(LAYERS):
        stream.turn()
        for _ in range(SKILLS):
            x, met = stream.draw(ROWS)
            seconds, mine = _timed(lambda x=x, met=met: ours(x, met))  # type: ignore[misc]
            spent += seconds
            seconds, other = _timed(lambda x=x, met=met: theirs(x, met, wide, **how))  # type: ignore[misc]
            peer += seconds
            for number in range(FOLDS):
                rows = fold == number
                gaps.append(roc_auc_score(met[rows], mine[rows]) - roc_auc_score(met[rows], other[rows]))
            same.append(np.mean((mine > 0) == (other > 0)))
    fits = SKILLS * LAYERS * FOLDS
    print(
        f"logistic, {name}, {SKILLS} x {LAYERS} x {FOLDS} fits of {ROWS} x {WIDTH}: scikit-learn's best "
        f"({how['solver']}, {'float64' if wide else 'float32'}) {peer:.1f} CPU s ({peer / fits * 1e3:.1f} ms a fit); "
        f"ours {spent:.1f} ({spent / fits * 1e3:.1f} ms), {peer / spent:.1f}x as fast; AUC differs by "
        f"{np.mean(gaps):+.5f} on average, {np.abs(gaps).max():.4f} at most; {np.mean(same):.2%} of predictions equal"
    )


def _reference() -> Any:
    if not (REFERENCE / "src" / "debias.py").is_file():
        print(f"INLP: needs a clone of github.com/shauli-ravfogel/nullspace_projection in {REFERENCE.parent.name}/")
        return None
    if str(REFERENCE) not in sys.path:
        sys.path.insert(0, str(REFERENCE))
    from src import debias  # type: ignore[import-not-found]

    def project(model: Any, options: dict[str, Any], rank: int, x: np.ndarray, met: np.ndarray) -> Any:
        with contextlib.redirect_stderr(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return debias.get_debiasing_projection(model, options, rank, x.shape[1], True, 0, x, met, x, met)

    return project


def _moments(x: np.ndarray, met: np.ndarray) -> Any:
    from adhere.explain.probing.moments import Moments

    sign = np.where(met, np.float32(1), np.float32(-1))[:, None]
    return Moments.of(x, (np.zeros(len(x), np.int64),), (1,), sign)[0]


def _inlp(rank: int = 20, rows: int = 3200, fresh: int = 2000) -> None:
    from sklearn.linear_model import LogisticRegression, RidgeClassifier, SGDClassifier

    from adhere.explain.probing.erasers import inlp
    from adhere.explain.probing.probes import Centred

    project = _reference()
    if project is None:
        return
    peers = {
        "logistic": (LogisticRegression, {"max_iter": 1000}),
        "ridge": (RidgeClassifier, {}),
        "SGD": (SGDClassifier, {"random_state": 0}),
    }
    found: dict[str, list[tuple[float, float, float]]] = {}
    for seed in range(3):
        x, met = Stream(0.6, True, seed=seed).draw(rows + fresh)
        x = (x - x.mean(axis=0)) / x.std(axis=0)  # the reference projects what it is given; give it the better space
        seen, labels = x[:rows], met[:rows]

        def residual(erased: np.ndarray, labels: np.ndarray = labels, met: np.ndarray = met) -> tuple[float, float]:
            model = LogisticRegression(max_iter=1000).fit(erased[:rows], labels)
            return model.score(erased[:rows], labels), model.score(erased[rows:], met[rows:])

        for name, (model, options) in peers.items():
            seconds, (projection, _, _) = _timed(
                lambda m=model, o=options, seen=seen, labels=labels: project(m, o, rank, seen, labels)  # type: ignore[misc]
            )
            found.setdefault(f"reference, {name}", []).append((seconds, *residual(x @ projection.T)))
        for kind in ("lda", "ridge"):

            def ours(seen: np.ndarray = seen, labels: np.ndarray = labels, kind: Any = kind) -> Any:
                moments = _moments(seen, labels)
                return inlp(Centred.of(moments), moments.mean, rank, kind=kind)

            seconds, eraser = _median(ours)
            found.setdefault(f"ours, {kind}", []).append((seconds, *residual(eraser(x))))
    middle = {name: np.median(np.array(runs), axis=0) for name, runs in found.items()}
    fastest = min(value[0] for name, value in middle.items() if name.startswith("reference"))
    for name, (seconds, train, test) in middle.items():
        ratio = f", {fastest / seconds:.0f}x as fast as the fastest reference" if name.startswith("ours") else ""
        print(
            f"INLP, {rank} directions of {WIDTH}, n={rows}: {name}: {seconds:.3f} CPU s{ratio}; residual accuracy of a "
            f"fresh logistic probe {train:.3f} on what was seen, {test:.3f} on new rows"
        )


def _leace(rows: int = 3200) -> None:
    try:
        import torch
        from concept_erasure import LeaceFitter
    except ImportError:
        print("LEACE: needs concept-erasure")
        return
    from adhere.explain.probing.erasers import leace
    from adhere.explain.probing.probes import Centred

    torch.set_num_threads(1)
    x, met = Stream(0.6, False).draw(rows)

    def ours() -> Any:
        moments = _moments(x, met)
        return leace(Centred.of(moments), moments.mean)

    def theirs(dtype: Any, **how: Any) -> Any:
        fitter = LeaceFitter(WIDTH, 1, dtype=dtype, **how)
        return fitter.update(torch.from_numpy(x).to(dtype), torch.from_numpy(met).to(dtype)[:, None]).eraser

    own, eraser = _median(ours)
    exact = {"shrinkage": False, "svd_tol": 1e-9}
    wide = theirs(torch.float64, **exact)
    apart = np.abs(np.eye(WIDTH) - eraser.left @ eraser.right.T - wide.P.numpy()).max()
    moved = np.abs(eraser(x) - wide(torch.from_numpy(x).double()).numpy()).max() / np.abs(x).max()
    for name, dtype, how in (
        ("float64, no shrinkage", torch.float64, exact),
        ("float32, no shrinkage", torch.float32, exact),
        ("float32, as it comes", torch.float32, {}),
    ):
        seconds, _ = _median(lambda dtype=dtype, how=how: theirs(dtype, **how))  # type: ignore[misc]
        print(
            f"LEACE, {WIDTH} features, n={rows}: concept-erasure {name} {seconds * 1e3:.1f} CPU ms; ours "
            f"{own * 1e3:.1f}, {seconds / own:.1f}x as fast"
        )
    print(f"LEACE: largest difference from concept-erasure in float64: projection {apart:.1e}, activations {moved:.1e}")


def _everything(rows: int = ROWS, draws: int = 2) -> None:
    """Specialists, pools, leave-one-out, transfer and all erasures at one layer; the peers on one of its five folds."""
    from sklearn.linear_model import RidgeClassifier

    from adhere.explain.analyses.dependency import ErasurePlan, erase_site
    from adhere.explain.cases.examples import Examples
    from adhere.explain.probing.decodability import aucs
    from adhere.explain.probing.erasers import RANKS
    from adhere.explain.probing.scan import read_site
    from adhere.explain.probing.splits import Design

    project = _reference()
    if project is None:
        return
    import torch
    from concept_erasure import LeaceFitter

    torch.set_num_threads(1)
    stream = Stream(0.6, True)
    parts = [stream.draw(rows) for _ in range(SKILLS)]
    # every skill standardised: on what is, the peers' isotropic penalties are ours
    x = np.concatenate([(part - part.mean(axis=0)) / part.std(axis=0) for part, _ in parts]).astype(np.float32)
    met = np.concatenate([labels for _, labels in parts])
    code = np.repeat(np.arange(SKILLS), rows)
    n = len(x)
    examples = Examples(
        x[:, None, None],
        (0,),
        ("eos",),
        np.array([f"skill{k}" for k in range(SKILLS)])[code],
        met,
        np.arange(n),
        ("",) * n,
        np.ones(n, bool),
    )
    design = Design.of(examples, "ridge", shuffles=0)
    erasure = ErasurePlan(design, RANKS, draws, 0)
    own, (read, erased) = _timed(lambda: (read_site(x, design), erase_site(x, erasure)))

    held_out = design.fold == 0
    fits = 0

    def ridge(part: np.ndarray, labels: np.ndarray) -> np.ndarray:
        nonlocal fits
        fits += 1
        return np.asarray(RidgeClassifier().fit(part, labels).coef_).ravel()

    def projection(basis: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
        narrow = basis.astype(np.float32)
        return lambda a: a - (a @ narrow) @ narrow.T

    def peers() -> tuple[np.ndarray, np.ndarray]:
        train = [np.flatnonzero(~held_out & (code == k)) for k in range(SKILLS)]
        test = [np.flatnonzero(held_out & (code == k)) for k in range(SKILLS)]
        centred = [x[r] - x[r].mean(axis=0) for r in train]
        own = [ridge(x[train[k]], met[train[k]]) for k in range(SKILLS)]
        ridge(np.concatenate(centred), met[np.concatenate(train)])
        few = np.flatnonzero(~held_out & design.few)
        ridge(x[few], met[few])
        for k in range(SKILLS):
            others = [j for j in range(SKILLS) if j != k]
            ridge(np.concatenate([centred[j] for j in others]), met[np.concatenate([train[j] for j in others])])
        matrix = np.array([[_auc(x[test[j]] @ own[i], met[test[j]]) for j in range(SKILLS)] for i in range(SKILLS)])
        erasers: list[Callable[[np.ndarray], np.ndarray]] = []
        for k in range(SKILLS):
            part, labels = torch.from_numpy(x[train[k]]), torch.from_numpy(met[train[k]]).float()[:, None]
            eraser = LeaceFitter(WIDTH, 1, shrinkage=False, svd_tol=1e-9).update(part, labels).eraser
            erasers.append(lambda a, e=eraser: e(torch.from_numpy(a)).numpy())
        for k in range(SKILLS):
            _, _, weights = project(RidgeClassifier, {}, max(RANKS), x[train[k]], met[train[k]])
            for rank in RANKS:
                rows, _ = np.linalg.qr(np.concatenate([w.reshape(1, -1) for w in weights[:rank]]).T)
                erasers.append(projection(rows))
        generator = np.random.default_rng(0)
        for _ in range(draws):
            subspace, _ = np.linalg.qr(generator.standard_normal((WIDTH, max(RANKS))))
            erasers.extend(projection(subspace[:, :rank]) for rank in RANKS)
        left = np.empty((len(erasers), SKILLS))
        for e, erase in enumerate(erasers):
            for j in range(SKILLS):
                w = ridge(erase(x[train[j]]), met[train[j]])
                left[e, j] = _auc(erase(x[test[j]]) @ w, met[test[j]])
        return matrix, left

    peer, (matrix, left) = _timed(peers)
    one = np.zeros(rows, np.int64)

    def auc(scores: np.ndarray, j: int) -> np.ndarray:
        chosen = np.flatnonzero(held_out & (code == j))
        return aucs(scores[..., chosen], met[chosen], one[: len(chosen)])

    mine = np.stack([auc(read.specialist, j) for j in range(SKILLS)], axis=1)
    size = SKILLS * (1 + len(RANKS))
    mine_left = np.stack(
        [np.concatenate([auc(erased.leace, j), auc(erased.inlp, j).ravel()]) for j in range(SKILLS)], axis=1
    )
    # what LEACE leaves of its own skill is rounding, on which an AUC says nothing
    off = np.ones((size, SKILLS), bool)
    off[:SKILLS] = ~np.eye(SKILLS, dtype=bool)
    apart = np.abs(mine_left - left[:size])[off]
    print(
        f"all decodability of sections 4.1 to 4.3 at one layer, {SKILLS} skills x {rows} x {WIDTH}: scikit-learn, "
        f"concept-erasure and the reference INLP {peer:.1f} CPU s for one fold ({fits} fits); ours {own / FOLDS:.2f} a "
        f"fold ({own:.1f} for all {FOLDS}), {peer / (own / FOLDS):.0f}x as fast; AUC differs by at most "
        f"{np.abs(mine - matrix).max():.4f} in the transfer matrix, {apart.max():.4f} after erasing "
        f"({apart.mean():.4f} on average)"
    )


def _auc(scores: np.ndarray, met: np.ndarray) -> float:
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(met, scores))


def _pocket() -> None:
    """The lenses on as many states as the pocket model gives: 500 responses a skill, 7 layers, 8 positions."""
    from adhere.explain.analyses.dependency import dependencies
    from adhere.explain.analyses.specialists import specialists
    from adhere.explain.analyses.timing import timing
    from adhere.explain.analyses.transfer import transfer
    from adhere.explain.cases.examples import Examples
    from adhere.explain.probing.scan import scan
    from adhere.explain.probing.surface import surface

    generator = np.random.default_rng(0)
    n, layers, width = SKILLS * 500, 7, 192
    positions = ("prompt", "10", "25", "50", "75", "90", "eos", "mean")
    met = np.arange(n) % 2 == 0
    states = generator.standard_normal((n, layers, len(positions), width), np.float32)
    states[..., 0] += np.where(met, 0.5, -0.5)[:, None, None]
    words = np.array("sea hill road light stone rain bird glass wind tree".split())
    text = tuple(" ".join(row) for row in words[generator.integers(0, len(words), (n, 50))])
    skill = np.array([f"skill{k}" for k in range(SKILLS)])[np.arange(n) // 500]
    prompt = np.arange(n) // 4
    examples = Examples(states, tuple(range(layers)), positions, skill, met, prompt, text, np.ones(n, bool))
    parts: dict[str, float] = {}
    parts["logistic probes"], scanned = _timed(lambda: scan(examples))
    parts["moment probes"], _ = _timed(lambda: scan(examples, "lda"))
    parts["surface baseline"], baseline = _timed(lambda: surface(examples, scanned.design))
    parts["specialists, intervals"], lens = _timed(lambda: specialists(scanned, baseline))
    parts["transfer"], _ = _timed(lambda: transfer(scanned, lens))
    parts["timing"], _ = _timed(lambda: timing(scanned, lens, examples))
    parts["erasures at one site"], _ = _timed(lambda: dependencies(examples, [lens.common_site()]))
    each = ", ".join(f"{name} {seconds:.1f}" for name, seconds in parts.items())
    print(f"states as of the pocket model, {n} responses: {sum(parts.values()):.1f} CPU s in all: {each}")


def _chance(sets: int = 40) -> None:
    """How often a claim holds where there is nothing: prompts differ, and their responses tend to share a label."""
    from adhere.explain.analyses.dependency import dependencies
    from adhere.explain.analyses.specialists import specialists
    from adhere.explain.analyses.timing import timing
    from adhere.explain.analyses.transfer import transfer
    from adhere.explain.cases.examples import Examples
    from adhere.explain.probing.scan import scan

    skills, prompts, each, layers, width = 3, 60, 4, 3, 24
    positions = ("prompt", "50", "eos")
    made = dict.fromkeys(("decodability", "timing", "transfer", "dependency"), 0)
    held = dict(made)
    above, values = 0, []
    for seed in range(sets):
        generator = np.random.default_rng(seed)
        n = skills * prompts * each
        prompt = np.repeat(np.arange(skills * prompts), each)
        states = generator.standard_normal((n, layers, len(positions), width)).astype(np.float32)
        states += generator.standard_normal((skills * prompts, 1, 1, width)).astype(np.float32)[prompt]
        met = generator.random(n) < generator.random(skills * prompts)[prompt]
        skill = np.repeat([f"skill{k}" for k in range(skills)], prompts * each)
        examples = Examples(
            states, tuple(range(layers)), positions, skill, met, prompt, ("",) * n, np.ones(n, bool)
        ).balanced(seed)
        scanned = scan(examples, "lda", seed=seed)
        lens = specialists(scanned)
        values += [best.specialist.value for best in lens.best]
        for claim in lens.claims():
            if claim.finding.what == "probe.auc":
                made["decodability"] += 1
                held["decodability"] += claim.holds
                above += claim.finding.interval is not None and claim.finding.interval[0] > 0.5
        for claim in timing(scanned, lens, examples).claims():
            if "contrast" in claim.finding.subject:
                made["timing"] += 1
                held["timing"] += claim.holds
        erased = dependencies(examples, [(layers - 1, "eos")], ranks=(1, 4), draws=4, seed=seed)
        for name, claims in (
            ("transfer", transfer(scanned, lens)[0].claims()),
            ("dependency", next(iter(erased.values())).claims()),
        ):
            made[name] += 1
            held[name] += any(c.holds for c in claims if c.finding.subject["from"] != c.finding.subject["to"])
    print(
        f"where there is nothing, {sets} data sets: mean AUC at the best layer {np.mean(values):.3f}; intervals above "
        "0.5: "
        f"{above / made['decodability']:.1%}; claims that hold: "
        + ", ".join(f"{name} {held[name]} of {made[name]}" for name in made)
    )


def main() -> None:
    """Print the ratios."""
    if os.environ.get("OPENBLAS_NUM_THREADS") != "1" or os.environ.get("OMP_NUM_THREADS") != "1":
        print("on several threads: for times as documented set OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1")
    _logistic_grid("decaying spectrum with outliers", 0.6, True)
    _logistic_grid("flat spectrum", 0.0, False)
    _inlp()
    _leace()
    _everything()
    _pocket()
    _chance()


if __name__ == "__main__":
    main()
