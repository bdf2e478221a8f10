//! What can be shown to a person, whoever wrote it.

/// An error and its causes can be shown: each in a line that no file can make long, without a character that a
/// terminal would obey or hide.
pub(crate) fn is_presentable(error: &dyn std::error::Error) {
    let shown = error.to_string();
    assert!(shown.len() < 4096, "an error of {} bytes", shown.len());
    let inert = |c: char| "\"'\\".contains(c) || c.escape_debug().eq([c]);
    assert!(shown.chars().all(inert), "an error that would be obeyed: {shown:?}");
    if let Some(cause) = error.source() {
        is_presentable(cause);
    }
}
