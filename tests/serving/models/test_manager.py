"""Models and their versions: what is loaded, dropped, kept and refused, and when."""

import contextlib
import itertools
import shutil
import threading

import numpy as np
import pytest

from seqtasks.serving.embedded import make_loader
from seqtasks.serving.models.manager import ModelManager
from seqtasks.serving.models.model_config import ModelSettings, VersionPolicy, directory_source
from seqtasks.serving.models.versions import State
from seqtasks.serving.status import Code, StatusError

TEXT = {"text": np.array([b"abcd"], object)}


@pytest.fixture
def manage(load_once):
    """Make managers that are polled by hand, and close them."""
    made = []

    def make(source, loader=None):
        made.append(ModelManager(source, loader or load_once))
        made[-1].poll()
        return made[-1]

    yield make
    for manager in made:
        manager.close()


def scale(manager, name="zoo", **which):
    """The scale of the version that answers."""
    with manager.lease(name, **which) as servable:
        return servable.run(servable.signature(""), TEXT)["score"].tolist()[0] / 4


def states(manager, name="zoo"):
    return {status.version: status.state.name for status in manager.statuses(name)}


def refused(call, *arguments, **options):
    with pytest.raises(StatusError) as caught:
        call(*arguments, **options)
    return caught.value.code, caught.value.message


# --- Policies -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policy", "served"),
    [
        (VersionPolicy(), {3}),
        (VersionPolicy(latest=2), {2, 3}),
        (VersionPolicy(latest=None), {1, 2, 3}),
        (VersionPolicy(specific=frozenset({1, 9})), {1}),
    ],
)
def test_a_policy_says_which_versions_are_served(manage, install, tmp_path, policy, served):
    for version in (1, 2, 3):
        install(tmp_path / "zoo", version)
    manager = manage([ModelSettings("zoo", tmp_path / "zoo", policy)])
    assert states(manager) == dict.fromkeys(served, "AVAILABLE")
    assert scale(manager) == max(served)
    for version in (1, 2, 3):
        if version in served:
            assert scale(manager, version=version) == version
        else:
            answer = refused(scale, manager, version=version)
            wanted = f"Servable not found for request: Specific(zoo, {version})"
            assert answer == (Code.NOT_FOUND, wanted)


def test_a_model_without_versions_waits_for_its_first(manage, install, tmp_path):
    manager = manage([ModelSettings("zoo", tmp_path / "zoo")])  # not even a folder
    assert manager.unready() == ["zoo"]
    missing = "Could not find any versions of model zoo"
    assert refused(manager.statuses, "zoo") == (Code.NOT_FOUND, missing)
    install(tmp_path / "zoo", 5, scale=2)
    manager.poll()
    assert manager.unready() == []
    assert scale(manager) == 2


# --- The change of versions ---------------------------------------------------------------------


def test_a_new_version_takes_the_place_of_the_old_one(manage, install, tmp_path, eventually):
    install(tmp_path / "zoo", 1)
    manager = manage([ModelSettings("zoo", tmp_path / "zoo")])
    install(tmp_path / "zoo", 3)
    assert scale(manager) == 1  # nobody has looked yet
    manager.poll()
    assert scale(manager) == 3
    eventually(lambda: states(manager) == {3: "AVAILABLE", 1: "END"})
    install(tmp_path / "zoo", 2)  # an older one changes nothing
    manager.poll()
    assert scale(manager) == 3


def test_the_old_version_answers_while_the_new_one_is_loaded(manage, load_once, install, tmp_path):
    seen = []

    def load(path, name, version):
        if version == 2:
            seen.append((scale(manager), states(manager)))
        return load_once(path, name, version)

    install(tmp_path / "zoo", 1)
    manager = manage([ModelSettings("zoo", tmp_path / "zoo")], load)
    install(tmp_path / "zoo", 2)
    manager.poll()
    assert seen == [(1, {2: "LOADING", 1: "AVAILABLE"})]


def test_a_request_keeps_its_version_until_it_is_done(manage, install, tmp_path, eventually, gates):
    load, found = gates
    install(tmp_path / "zoo", 1)
    manager = manage([ModelSettings("zoo", tmp_path / "zoo")], load)
    answers = []
    request = threading.Thread(target=lambda: answers.append(scale(manager)))
    request.start()
    found[1].entered.acquire()
    install(tmp_path / "zoo", 2)
    manager.poll()
    assert states(manager) == {2: "AVAILABLE", 1: "UNLOADING"}
    assert not found[1].closed.is_set()
    found[1].opened.set()
    request.join()
    assert answers == [1]
    eventually(lambda: states(manager) == {2: "AVAILABLE", 1: "END"})
    assert found[1].closed.is_set()


def test_a_corrupt_new_version_is_reported_while_the_old_one_serves(
    manage, install, corrupt, tmp_path
):
    install(tmp_path / "zoo", 1)
    manager = manage([ModelSettings("zoo", tmp_path / "zoo")])
    path = corrupt(tmp_path / "zoo", 2)
    for _ in range(3):
        manager.poll()
        assert scale(manager) == 1
        assert states(manager) == {2: "END", 1: "AVAILABLE"}
    status = manager.statuses("zoo", 2)[0]
    assert status.code is not Code.OK
    assert str(path) in status.message
    assert manager.unready() == []
    # Once its files are right, it is loaded.
    shutil.rmtree(path)
    install(tmp_path / "zoo", 2)
    manager.poll()
    assert scale(manager) == 2
    assert manager.statuses("zoo", 2)[0].code is Code.OK


def test_a_version_that_failed_is_not_tried_again_unless_its_files_change(
    manage, install, corrupt, tmp_path
):
    tried = []

    def load(path, name, version):
        tried.append(version)
        return make_loader()(path, name, version)

    path = corrupt(tmp_path / "zoo", 1)
    manager = manage([ModelSettings("zoo", tmp_path / "zoo")], load)
    manager.poll()
    manager.poll()
    assert tried == [1]
    (path / "more").write_text("still wrong")
    manager.poll()
    assert tried == [1, 1]


def test_a_loader_that_breaks_in_no_known_way_is_reported_too(manage, install, tmp_path):
    def load(path, name, version):
        raise KeyError("odd")

    install(tmp_path / "zoo", 1)
    manager = manage([ModelSettings("zoo", tmp_path / "zoo")], load)
    assert manager.statuses("zoo")[0].code is Code.INTERNAL


def test_a_version_that_is_taken_off_the_disk_is_unloaded(manage, install, tmp_path, eventually):
    install(tmp_path / "zoo", 1)
    install(tmp_path / "zoo", 2)
    manager = manage([ModelSettings("zoo", tmp_path / "zoo")])
    shutil.rmtree(tmp_path / "zoo" / "2")
    manager.poll()
    assert scale(manager) == 1  # back to the one before
    shutil.rmtree(tmp_path / "zoo" / "1")
    manager.poll()
    eventually(lambda: states(manager) == {2: "END", 1: "END"})
    wanted = "Servable not found for request: Latest(zoo)"
    assert refused(scale, manager) == (Code.NOT_FOUND, wanted)
    install(tmp_path / "zoo", 2)
    manager.poll()
    assert scale(manager) == 2


def test_a_folder_that_can_not_be_read_changes_nothing(manage, install, tmp_path):
    install(tmp_path / "zoo", 1)
    manager = manage([ModelSettings("zoo", tmp_path / "zoo")])
    (tmp_path / "zoo").rename(tmp_path / "away")
    manager.poll()
    assert scale(manager) == 1


def test_only_so_many_versions_that_ended_are_listed(manage, corrupt, install, tmp_path):
    install(tmp_path / "zoo", 1)

    def load(path, name, version):
        if version > 1:
            raise StatusError(Code.DATA_LOSS, "broken")
        return make_loader()(path, name, version)

    manager = manage([ModelSettings("zoo", tmp_path / "zoo")], load)
    for version in range(2, 70):
        (tmp_path / "zoo" / str(version)).mkdir()
        manager.poll()
    listed = manager.statuses("zoo")
    assert 50 <= len(listed) <= 52
    assert listed[0].version == 69
    assert scale(manager) == 1


# --- Labels and configuration -------------------------------------------------------------------


def settings(tmp_path, labels, latest=None, name="zoo", folder="zoo"):
    return ModelSettings(name, tmp_path / folder, VersionPolicy(latest=latest), labels)


def test_labels_move_only_to_versions_that_are_available(manage, install, tmp_path):
    for version in (1, 2):
        install(tmp_path / "zoo", version)
    manager = manage([settings(tmp_path, {"stable": 1})])
    assert scale(manager, label="stable") == 1
    manager.reload([settings(tmp_path, {"stable": 2, "old": 1})])
    assert (scale(manager, label="stable"), scale(manager, label="old")) == (2, 1)
    code, message = refused(manager.reload, [settings(tmp_path, {"stable": 3})])
    assert code is Code.FAILED_PRECONDITION
    assert "version 3 of model zoo" in message
    assert scale(manager, label="stable") == 2
    manager.reload([settings(tmp_path, {"stable": 2, "future": 3})])
    wanted = "Servable not found for request: Specific(zoo, 3)"
    assert refused(scale, manager, label="future") == (Code.NOT_FOUND, wanted)


def test_reload_adds_removes_and_moves_models(manage, install, tmp_path, eventually):
    install(tmp_path / "zoo", 1)
    install(tmp_path / "other", 1, scale=3)
    manager = manage([settings(tmp_path, {})])
    manager.reload([settings(tmp_path, {}), settings(tmp_path, {}, 1, "more", "other")])
    assert (scale(manager), scale(manager, "more")) == (1, 3)
    manager.reload([settings(tmp_path, {}, 1, "zoo", "other")])  # zoo from another folder
    assert (scale(manager), manager.names()) == (3, ["zoo"])
    assert refused(manager.statuses, "more")[0] is Code.NOT_FOUND
    manager.poll()
    assert manager.names() == ["zoo"]


def test_a_model_whose_new_folder_has_nothing_goes_on_from_the_old_one(manage, install, tmp_path):
    install(tmp_path / "zoo", 1)
    manager = manage([settings(tmp_path, {})])
    moved = settings(tmp_path, {}, 1, "zoo", "nothing")
    assert refused(manager.reload, [moved])[0] is Code.NOT_FOUND
    manager.poll()
    assert scale(manager) == 1
    install(tmp_path / "nothing", 4, scale=2)
    manager.poll()
    assert scale(manager) == 2


def test_reload_tells_why_a_model_could_not_be_loaded(manage, corrupt, install, tmp_path):
    install(tmp_path / "zoo", 1)
    corrupt(tmp_path / "bad", 1)
    manager = manage([settings(tmp_path, {})])
    bad = settings(tmp_path, {}, 1, "bad", "bad")
    code, message = refused(manager.reload, [settings(tmp_path, {}), bad])
    assert code is not Code.OK
    assert str(tmp_path / "bad" / "1") in message
    assert scale(manager) == 1
    assert manager.unready() == ["bad"]
    twice = [settings(tmp_path, {})] * 2
    assert refused(manager.reload, twice)[0] is Code.INVALID_ARGUMENT


def test_a_directory_gains_and_loses_models_as_it_changes(manage, install, tmp_path, eventually):
    base = tmp_path / "base"
    install(base / "a", 1)
    manager = manage(directory_source(base))
    assert manager.names() == ["a"]
    install(base / "b", 2)
    manager.poll()
    assert (manager.names(), scale(manager, "b")) == (["a", "b"], 2)
    (base / "a").rename(tmp_path / "a")
    manager.poll()
    assert (manager.names(), scale(manager, "a")) == (["a", "b"], 1)  # it may come back at once
    (tmp_path / "a").rename(base / "a")
    manager.poll()
    shutil.rmtree(base / "a")
    manager.poll()
    assert scale(manager, "a") == 1
    manager.poll()
    assert manager.names() == ["b"]
    assert refused(scale, manager, "a")[0] is Code.NOT_FOUND


def test_names_reach_no_folder_that_is_no_model(manage, install, tmp_path):
    install(tmp_path / "secret", 1)
    install(tmp_path / "base" / "zoo", 1)
    manager = manage(directory_source(tmp_path / "base"))
    for name in ("../secret", "..", "zoo/../../secret", str(tmp_path / "secret"), "", "zoo/1"):
        assert refused(scale, manager, name)[0] is Code.NOT_FOUND
        assert refused(manager.statuses, name)[0] is Code.NOT_FOUND


def test_labels_wait_for_their_versions_where_that_is_asked_for(install, load_once, tmp_path):
    install(tmp_path / "zoo", 1)
    settings = ModelSettings("zoo", tmp_path / "zoo")
    manager = ModelManager([settings], load_once, 60.0, early_labels=False)
    manager.start()
    for label, version, code in (("new", 2, Code.FAILED_PRECONDITION), ("old", 1, None)):
        wanted = ModelSettings("zoo", tmp_path / "zoo", labels={label: version})
        if code:
            assert refused(manager.reload, [wanted])[0] is code
        else:
            manager.reload([wanted])
    assert scale(manager, "zoo", label="old") == 1
    unknown = ModelSettings("other", tmp_path / "zoo", labels={"new": 1})
    assert refused(manager.reload, [unknown])[0] is Code.FAILED_PRECONDITION
    manager.close()


# --- In parallel --------------------------------------------------------------------------------


def test_models_load_in_parallel_and_leave_the_caller_s_thread_free(manage, tmp_path, monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    both, threads = threading.Barrier(2, timeout=60), set()

    class Nothing:
        def close(self):
            pass

    def load(path, name, version):
        threads.add(threading.current_thread())
        both.wait()
        return Nothing()

    for name in "ab":
        (tmp_path / name / "1").mkdir(parents=True)
    manager = manage([ModelSettings(name, tmp_path / name) for name in "ab"], load)
    assert manager.unready() == []
    assert len(threads) == 2
    assert threading.current_thread() not in threads


def test_a_model_that_fails_leaves_the_others_alone(manage, install, corrupt, tmp_path):
    install(tmp_path / "good", 2)
    corrupt(tmp_path / "bad", 1)
    settings = [ModelSettings(name, tmp_path / name) for name in ("bad", "gone", "good")]
    manager = manage(settings)
    assert manager.unready() == ["bad", "gone"]
    assert scale(manager, "good") == 2


# --- Under load ---------------------------------------------------------------------------------


def test_no_request_fails_while_versions_change(run_server, install, tmp_path, eventually):
    install(tmp_path / "zoo", 1)
    answers: dict[int, list[float]] = {}
    ended, failures = threading.Event(), []

    def ask(number, client):
        try:
            while not ended.is_set():
                answers[number].append(client.predict(["abcd"])[0] / 4)
        except BaseException as error:
            failures.append(error)

    with run_server([ModelSettings("zoo", tmp_path / "zoo")], poll_seconds=0.02) as (
        client,
        manager,
    ):
        threads = [threading.Thread(target=ask, args=(n, client)) for n in range(4)]
        for number, thread in enumerate(threads):
            answers[number] = []
            thread.start()
        for version in (1, 2, 3, 4, 5):
            if version > 1:
                install(tmp_path / "zoo", version, scale=1 + version % 3)
            eventually(lambda version=version: states(manager).get(version) == "AVAILABLE")
            asked = {number: len(given) for number, given in answers.items()}
            eventually(lambda asked=asked: all(len(answers[n]) > asked[n] + 3 for n in asked))
        eventually(
            lambda: states(manager) == {5: "AVAILABLE", **dict.fromkeys((4, 3, 2, 1), "END")}
        )
        ended.set()
        for thread in threads:
            thread.join()
    assert not failures
    order = [1, 3, 1, 2, 3]  # the scales of versions 1 to 5
    for given in answers.values():
        changes = [given[0]] + [new for old, new in itertools.pairwise(given) if new != old]
        assert changes == order


def test_a_lease_finds_a_version_at_every_moment_of_a_change(tmp_path):
    """The latest that is available, though the new one becomes so as the old one ceases to be."""

    class Fake:
        def __init__(self, version):
            self.version, self.closed = version, False

        def close(self):
            self.closed = True

    manager = ModelManager(
        [ModelSettings("zoo", tmp_path)], lambda path, name, version: Fake(version)
    )
    (tmp_path / "0").mkdir()
    manager.poll()
    ended, failures = threading.Event(), []

    def ask():
        try:
            while not ended.is_set():
                with manager.lease("zoo") as servable:
                    assert not servable.closed
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for version in range(1, 60):
        (tmp_path / str(version)).mkdir()
        manager.poll()
    ended.set()
    for thread in threads:
        thread.join()
    manager.close()
    assert not failures


def test_the_thread_that_looks_survives_what_it_meets(install, tmp_path, eventually):
    problems = [OSError("gone"), RuntimeError("odd")]
    met = []

    def source():
        if met and problems:
            raise problems.pop()
        met.append(1)
        return [ModelSettings("zoo", tmp_path / "zoo")]

    install(tmp_path / "zoo", 1)
    manager = ModelManager(source, make_loader(), poll_seconds=0.01)
    with contextlib.closing(manager):
        manager.start()
        eventually(lambda: not problems)
        install(tmp_path / "zoo", 2)
        eventually(lambda: states(manager).get(2) == State.AVAILABLE.name)
