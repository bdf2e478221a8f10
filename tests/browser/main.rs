//! What runs in a reader's browser, in Chromium.
