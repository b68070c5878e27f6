"""What notices say, in each language of `site.language`. The English words are the keys.

Levels are called as on the screen (``dashboard/words``); the line with the key stays as it is in
every language, since programs read it.
"""

from __future__ import annotations

from typing import Literal

Language = Literal["en", "ko"]

KOREAN = {
    # levels
    "normal": "정상",
    "watch": "주의",
    "warning": "경계",
    "critical": "심각",
    # units, written behind a value
    " persons": "명",
    " persons/m2": "명/㎡",
    # events
    "raised": "발생",
    "escalated": "단계 상승",
    "eased": "단계 하락",
    "approaching": "임박",
    "reminder": "미확인 재알림",
    "unseen": "확인 불가",
    "cleared": "해제",
    "test": "시험",
    # instead of a value
    "unknown": "확인 불가",
    "ok again": "정상 복구",
    "no longer watched": "감시 종료",
    "all is well": "이상 없음",
    # reasons of an unknown status
    "starting": "시작 중",
    "connecting": "연결 중",
    "offline": "연결 끊김",
    "stalled": "영상 수신 중단",
    "refused": "연결 거부됨",
    "timeout": "응답 없음",
    "unauthorised": "인증 실패",
    "not found": "스트림 없음",
    "no video": "영상 신호 없음",
    "decode errors": "영상 해독 불가",
    "frozen": "영상 멈춤",
    "covered": "카메라 가려짐",
    "moved": "카메라 방향 바뀜",
    "no worker": "계수 프로세스 없음",
    "overloaded": "처리 지연",
    "no ingest": "수신 서비스 없음",
    "no broker": "메시지 브로커 연결 불가",
    "ended": "재생 종료",
    # lines of the body
    "90 % interval {low} to {high}{unit}": "90% 구간 {low}~{high}{unit}",
    ", {people} people in the zone": ", 구역 내 {people}명",
    "peak {peak}{unit} ({level})": "최고 {peak}{unit} ({level})",
    "Raised {at}; nobody has acknowledged it.": "{at} 발생, 아직 아무도 확인하지 않았습니다.",
    "The incident is still open, but nobody sees it.": "상황이 계속 중이나 볼 수 없습니다.",
    "The zone is no longer watched at these levels.": "이 구역은 더 이상 감시되지 않습니다.",
    "no worker counts the cameras' frames": "카메라 영상을 계수하는 프로세스가 없습니다",
    "This is a test; no action is needed.": "시험 알림입니다. 조치가 필요 없습니다.",
    "At this rate {level} is reached in {time}.": "이 추세라면 {time} 후 {level}에 도달합니다.",
    "Densest place: {density} persons/m2.": "최대 밀집 지점 {density}명/㎡.",
    "It lasted {time}.": "지속 시간 {time}.",
    "Probable: the upper end of the interval is at {level}.": "가능성: 상한이 {level} 수준입니다.",
}


def say(text: str, language: Language, **values: object) -> str:
    """The text in a language, its placeholders filled; as it is where there is no translation."""
    words = KOREAN.get(text, text) if language == "ko" else text
    return words.format(**values) if values else words
