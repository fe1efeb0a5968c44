//! A simulated support floor: a small support desk, its people, ordinary days and insiders.
