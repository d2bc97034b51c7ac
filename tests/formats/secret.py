"""Secrets that every format accepts."""

SECRET = "5Hx2kQ0vY8mJr1Wc7ZtB4pLs9NfDa3GeUi6ToRXbVqMyKwEjCnPhSgAzFdIuOl+="
OTHER = SECRET[::-1]
