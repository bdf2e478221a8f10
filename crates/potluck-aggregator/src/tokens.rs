//! The tokens that the operator made, as the server believes them.
//!
//! They stand in one file of the federation's folder, which `potluck token` writes. It is looked at again when it has
//! changed, so that one that was revoked is believed no more within a second, without a restart. Where the
//! file cannot be read, no token is believed.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use potluck_wire::token::{Kept, MAX_FILE, Token, TokenFile};

/// How long what was read is believed without a look at the file.
const AGAIN: Duration = Duration::from_secs(1);

/// All tokens.
#[derive(Debug, Default)]
pub struct Tokens {
    file: Option<PathBuf>,
    read: Mutex<Read>,
}

#[derive(Debug, Default)]
struct Read {
    looked: Option<Instant>,
    stamp: Option<(SystemTime, u64)>,
    by_id: Arc<HashMap<String, Kept>>,
}

/// Why a token is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unbelieved {
    /// Nobody made it here.
    #[error("this federation made no such token")]
    Unknown,
    /// It was revoked.
    #[error("the token was revoked")]
    Revoked,
    /// Its time is over.
    #[error("the token is past its time")]
    Expired,
}

impl Tokens {
    /// Those that are kept in `file`, which need not be there.
    pub fn kept_in(file: &Path) -> Self {
        Self { file: Some(file.to_owned()), read: Mutex::default() }
    }

    /// What is kept of `token`, if it is good at `now`, in seconds since 1970.
    ///
    /// # Errors
    /// [`Unbelieved`].
    pub fn believed(&self, token: &Token, now: u64) -> Result<Kept, Unbelieved> {
        let known = self.known();
        let kept = known.get(token.id()).filter(|kept| kept.digest == token.digest());
        let kept = kept.ok_or(Unbelieved::Unknown)?;
        if kept.revoked.is_some() {
            return Err(Unbelieved::Revoked);
        }
        if now > kept.expires { Err(Unbelieved::Expired) } else { Ok(kept.clone()) }
    }

    fn known(&self) -> Arc<HashMap<String, Kept>> {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let (now, Some(file)) = (Instant::now(), &self.file) else { return Arc::default() };
        if read.looked.is_none_or(|looked| now.duration_since(looked) >= AGAIN) {
            read.looked = Some(now);
            if let Err(error) = read.again(file) {
                tracing::error!(%error, file = %file.display(), "the tokens cannot be read: none is believed");
                (read.stamp, read.by_id) = (None, Arc::default());
            }
        }
        Arc::clone(&read.by_id)
    }
}

impl Read {
    fn again(&mut self, file: &Path) -> io::Result<()> {
        let found = match fs::metadata(file) {
            Ok(found) => found,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                (self.stamp, self.by_id) = (None, Arc::default());
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let stamp = Some((found.modified()?, found.len()));
        if stamp == self.stamp {
            return Ok(());
        }
        let mut text = String::new();
        File::open(file)?.take(MAX_FILE).read_to_string(&mut text)?;
        let read: TokenFile = serde_json::from_str(&text)?;
        self.by_id =
            Arc::new(read.tokens.into_iter().map(|kept| (kept.id.clone(), kept)).collect());
        self.stamp = stamp;
        Ok(())
    }
}
