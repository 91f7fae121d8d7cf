"""Tests that Hypothesis draws: the sequential model of the channel, and the profiles they run under."""
