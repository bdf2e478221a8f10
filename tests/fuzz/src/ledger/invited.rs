//! The promises of the reader of invitations: of lines, and of what stands in one whose check digits fit.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use potluck_core::Blake3;

use self::invitation::{Invitation, PREFIX};

/// The reader itself: it stands in a program, which nobody can link.
// What only the program calls is unused here; its own tests run with it.
#[allow(dead_code)]
#[path = "../../../../crates/potluck/src/invitation.rs"]
mod invitation;

/// Reads a line, and the text inside one.
pub fn invitation(bytes: &[u8]) {
    if let Ok(line) = std::str::from_utf8(bytes) {
        read(line);
    }
    let check = Blake3::of(bytes).short();
    read(&format!("{PREFIX}{}.{check}", BASE64.encode(bytes)));
}

fn read(line: &str) {
    let Ok(invitation) = line.parse::<Invitation>() else { return };
    let again = invitation.to_string();
    assert!(again.bytes().all(|byte| byte.is_ascii_graphic()), "{again:?}");
    // Names come out as they went in, so the line written anew may be longer than the one that was read only by what
    // JSON spells in fewer ways.
    let read: Invitation = again.parse().unwrap();
    assert_eq!((&read, read.to_string()), (&invitation, again));
    invitation.key();
}
