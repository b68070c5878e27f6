"""Runs the rules on readings, keeps incidents and sends notifications."""
