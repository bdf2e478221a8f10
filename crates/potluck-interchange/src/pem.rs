//! Base64 in lines between BEGIN and END (RFC 7468), as certificates and SSH signatures are kept.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

/// How certificates are broken (RFC 7468 §2).
pub(crate) const CERTIFICATE_WIDTH: usize = 64;
/// How OpenSSH breaks its signatures (PROTOCOL.sshsig, "Armored format").
pub(crate) const SSH_WIDTH: usize = 70;

/// `bytes` in lines of `width` characters.
pub(crate) fn armoured(label: &str, bytes: &[u8], width: usize) -> String {
    let text = BASE64.encode(bytes);
    let mut lines = format!("-----BEGIN {label}-----\n");
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(width.min(rest.len()));
        lines.push_str(line);
        lines.push('\n');
        rest = after;
    }
    lines + "-----END " + label + "-----\n"
}
