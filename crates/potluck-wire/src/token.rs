//! Tokens: what a reader over HTTP shows in the place of a key.
//!
//! ```text
//! plk_<id, 10 hexadecimal digits>_<secret, 64>      shown once, to whoever made it
//! tokens.json                                       BLAKE3 of each such text, beside whose it is and what for
//! ```
//!
//! The secret is 32 random bytes, so that a plain digest of it tells nobody anything. Making the random bytes, and reading and
//! writing the file, is the callers': the command that makes tokens and the server that believes them.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use potluck_core::{Blake3, PartyId};
use serde::{Deserialize, Serialize};

/// The name of the file in a federation's folder.
pub const FILE: &str = "tokens.json";

/// The largest file of tokens that is read, in bytes: some ten thousand of them.
pub const MAX_FILE: u64 = 4 << 20;

/// By what a text is recognised as a token, by scanners of leaked secrets too.
pub const PREFIX: &str = "plk_";

const ID: usize = 10;
const SECRET: usize = 64;

/// What a token lets its holder read, where the charter does not let anybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Published soups, and mixtures of experts by any λ.
    Soups,
    /// The base and the experts.
    Experts,
    /// How the server stands: uploads under way, what is being blended.
    Status,
}

impl Scope {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Soups, Self::Experts, Self::Status];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Soups => "soups",
            Self::Experts => "experts",
            Self::Status => "status",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Scope {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|scope| scope.as_str() == text);
        found.ok_or_else(|| format!("'{text}' is no scope: write soups, experts or status"))
    }
}

/// A token's whole text, of which nothing is ever printed by accident.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

/// Not the text of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is no token: one is plk_, 10 hexadecimal digits, _ and 64 more")]
pub struct NoToken;

impl Token {
    /// The token with this id and secret.
    pub fn new(id: [u8; ID / 2], secret: &[u8; SECRET / 2]) -> Self {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        Self(format!("{PREFIX}{}_{}", hex(&id), hex(secret)))
    }

    /// By what it is called without being told.
    pub fn id(&self) -> &str {
        &self.0[PREFIX.len()..PREFIX.len() + ID]
    }

    /// What is kept of it.
    pub fn digest(&self) -> Blake3 {
        Blake3::of(self.0.as_bytes())
    }

    /// The text, for its holder.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({})", self.id())
    }
}

impl FromStr for Token {
    type Err = NoToken;
    fn from_str(text: &str) -> Result<Self, NoToken> {
        let rest = text.strip_prefix(PREFIX).ok_or(NoToken)?;
        let (id, secret) = rest.split_once('_').ok_or(NoToken)?;
        let is_hex = |part: &str, length| {
            part.len() == length
                && part.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
        };
        if is_hex(id, ID) && is_hex(secret, SECRET) {
            Ok(Self(text.to_owned()))
        } else {
            Err(NoToken)
        }
    }
}

/// What is kept of one token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kept {
    /// [`Token::id`].
    pub id: String,
    /// [`Token::digest`].
    pub digest: Blake3,
    /// The party for which its holder reads; nothing for a guest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub party: Option<PartyId>,
    /// What it is for, in the operator's words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
    /// What it lets its holder read.
    pub scopes: BTreeSet<Scope>,
    /// When it was made, in seconds since 1970-01-01 UTC.
    pub created: u64,
    /// After when it is good for nothing.
    pub expires: u64,
    /// When it was revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked: Option<u64>,
}

/// The file of tokens.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenFile {
    /// In the order in which they were made.
    pub tokens: Vec<Kept>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_one_spelling() {
        let token = Token::new([1, 2, 3, 4, 0xab], &[7; 32]);
        assert_eq!(token.id(), "01020304ab");
        assert_eq!(token.reveal().parse::<Token>(), Ok(token.clone()));
        assert_eq!(format!("{token:?}"), "Token(01020304ab)");
        let text = token.reveal();
        for wrong in
            ["", "plk_", &text[4..], &text.to_uppercase(), &format!("{text}0"), "plk_01020304ab_é"]
        {
            assert_eq!(wrong.parse::<Token>(), Err(NoToken), "{wrong}");
        }
    }

    #[test]
    fn what_is_kept_is_not_the_secret() {
        let token = Token::new([0; 5], &[9; 32]);
        let kept = Kept {
            id: token.id().to_owned(),
            digest: token.digest(),
            party: Some("readers".parse().unwrap()),
            note: String::new(),
            scopes: BTreeSet::from([Scope::Soups]),
            created: 1,
            expires: 2,
            revoked: None,
        };
        let text = serde_json::to_string(&TokenFile { tokens: vec![kept.clone()] }).unwrap();
        assert!(!text.contains(&"09".repeat(32)));
        assert_eq!(serde_json::from_str::<TokenFile>(&text).unwrap().tokens, [kept]);
    }
}
