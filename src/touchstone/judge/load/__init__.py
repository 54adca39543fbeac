"""Judges what a server did under load: points of columns in; findings, verdicts and a verdict on the client itself out.

The order is window → scan → summarize → client → audit. Everything is computed on columns; events pass by once, batch by batch.
"""
