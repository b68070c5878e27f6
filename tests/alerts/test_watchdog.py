"""The dead-man's switch is called while all is well, and only then."""

from alerts.watchdog import Watchdog
from tests.receiver import Receiver
from tests.waiting import wait_until


def test_the_url_is_called_again_and_again_while_well(receiver: Receiver) -> None:
    well = [True]
    watchdog = Watchdog(f"http://127.0.0.1:{receiver.port}/ping", lambda: well[0], 0.05)
    watchdog.start()
    wait_until(lambda: len(receiver.gets) >= 3)
    well[0] = False
    wait_until(lambda: not well[0])
    watchdog.stop()
    assert set(receiver.gets) == {"/ping"}


def test_the_url_is_not_called_while_something_is_missing(receiver: Receiver) -> None:
    asked: list[bool] = []

    def is_well() -> bool:
        asked.append(True)
        return False

    watchdog = Watchdog(f"http://127.0.0.1:{receiver.port}/ping", is_well, 0.05)
    watchdog.start()
    wait_until(lambda: len(asked) >= 5)
    watchdog.stop()
    assert receiver.gets == []


def test_a_receiver_that_is_away_does_not_end_it(receiver: Receiver) -> None:
    receiver.answer = 500
    watchdog = Watchdog(f"http://127.0.0.1:{receiver.port}/ping", lambda: True, 0.05)
    watchdog.start()
    wait_until(lambda: len(receiver.gets) >= 2)
    receiver.answer = 200
    seen = len(receiver.gets)
    wait_until(lambda: len(receiver.gets) > seen + 1)
    watchdog.stop()
