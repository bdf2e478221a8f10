//! Keys in an `ssh-agent`: named by fingerprint, used to sign, never seen.
//!
//! ```text
//! message = u32 length, u8 kind, body          string = u32 length, bytes          all big-endian
//! 11 -> 12: u32 count, count × (string key, string comment)
//! 13: string key, string data, u32 flags -> 14: string (string "ssh-ed25519", string signature)
//! ```
//!
//! The protocol is draft-ietf-sshm-ssh-agent, §3. What an agent says is bounded, and a signature is checked
//! against the key before it is used: the socket may be anybody's.

use std::fmt;
use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use potluck_core::{PublicKey, Sha256, SignError, Signer};

use crate::failure::{Failure, in_full};

/// What stands before the fingerprint in settings.
pub(crate) const SCHEME: &str = "ssh-agent:";

/// The variable that names the agent's socket.
const SOCKET: &str = "SSH_AUTH_SOCK";

/// The largest message, in bytes, as OpenSSH's own agent has it.
const MAX_MESSAGE: usize = 256 << 10;

/// How long the agent may take to say what it holds.
const LIST_LIMIT: Duration = Duration::from_secs(10);

/// How long it may take to sign: it may ask its owner first (`ssh-add -c`), or wait for a token to be touched.
const SIGN_LIMIT: Duration = Duration::from_secs(120);

const ALGORITHM: &[u8] = b"ssh-ed25519";
const REQUEST_IDENTITIES: u8 = 11;
const IDENTITIES_ANSWER: u8 = 12;
const SIGN_REQUEST: u8 = 13;
const SIGN_RESPONSE: u8 = 14;
const AGENT_FAILURE: u8 = 5;

/// Why a key in an agent cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AgentError {
    /// No socket is named.
    #[error("no ssh-agent can be asked: {SOCKET} is not set")]
    NoSocket,
    /// The socket does not answer.
    #[error("the ssh-agent at {} cannot be asked", socket.display())]
    Socket {
        /// Where.
        socket: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It answered with something else.
    #[error("the ssh-agent at {} answered with something that is no answer", socket.display())]
    Answer {
        /// Where.
        socket: PathBuf,
    },
    /// It refuses: it is locked, or its owner said no.
    #[error("the ssh-agent at {} refused", socket.display())]
    Refused {
        /// Where.
        socket: PathBuf,
    },
    /// It holds no such key.
    #[error("the ssh-agent at {} holds no Ed25519 key {fingerprint}", socket.display())]
    Unknown {
        /// Where.
        socket: PathBuf,
        /// Which.
        fingerprint: Fingerprint,
    },
    /// What it gave is no signature of that key.
    #[error("the ssh-agent at {} gave a signature that does not verify", socket.display())]
    Signature {
        /// Where.
        socket: PathBuf,
    },
}

/// SHA-256 of a public key as SSH writes it: what `ssh-add -l` shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fingerprint([u8; 32]);

impl Fingerprint {
    fn of(blob: &[u8]) -> Self {
        Self(*Sha256::of(blob).as_bytes())
    }
}

impl FromStr for Fingerprint {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.strip_prefix("SHA256:").map(|digits| BASE64.decode(digits));
        let bytes = digits.and_then(|bytes| <[u8; 32]>::try_from(bytes.ok()?).ok());
        let no = || "no fingerprint: write SHA256: and 43 letters, as `ssh-add -l` shows it";
        bytes.map(Self).ok_or_else(|| no().to_owned())
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SHA256:{}", BASE64.encode(self.0))
    }
}

/// A key that an agent holds.
#[derive(Debug)]
pub(crate) struct AgentKey {
    socket: PathBuf,
    public: PublicKey,
}

impl AgentKey {
    /// Finds a key in the agent that the environment names.
    pub(crate) fn find(fingerprint: Fingerprint) -> Result<Self, AgentError> {
        let socket = std::env::var_os(SOCKET).filter(|socket| !socket.is_empty());
        Self::find_at(Path::new(&socket.ok_or(AgentError::NoSocket)?), fingerprint)
    }

    /// Finds a key in the agent at a socket.
    pub(crate) fn find_at(socket: &Path, fingerprint: Fingerprint) -> Result<Self, AgentError> {
        let answer = call(socket, &[REQUEST_IDENTITIES], LIST_LIMIT)?;
        let garbled = || AgentError::Answer { socket: socket.to_owned() };
        let keys = identities(&answer).ok_or_else(garbled)?;
        let blob = keys.into_iter().find(|blob| Fingerprint::of(blob) == fingerprint);
        let public = blob.and_then(public_key);
        let unknown = || AgentError::Unknown { socket: socket.to_owned(), fingerprint };
        Ok(Self { socket: socket.to_owned(), public: public.ok_or_else(unknown)? })
    }

    fn signature(&self, message: &[u8]) -> Result<[u8; 64], AgentError> {
        let mut request = vec![SIGN_REQUEST];
        put(&mut request, &blob_of(&self.public));
        put(&mut request, message);
        request.extend(0u32.to_be_bytes());
        let answer = call(&self.socket, &request, SIGN_LIMIT)?;
        let garbled = || AgentError::Answer { socket: self.socket.clone() };
        let signature = signature(&answer).ok_or_else(garbled)?;
        let verified = self.public.verify(message, &signature);
        verified.map_err(|_| AgentError::Signature { socket: self.socket.clone() })?;
        Ok(signature)
    }
}

impl Signer for AgentKey {
    fn public(&self) -> PublicKey {
        self.public
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignError> {
        self.signature(message).map_err(|error| SignError { what: in_full(&error) })
    }
}

/// Sends one request on a connection of its own, and takes one answer.
fn call(socket: &Path, request: &[u8], limit: Duration) -> Result<Vec<u8>, AgentError> {
    let failed = |source| AgentError::Socket { socket: socket.to_owned(), source };
    let answer = exchange(socket, request, limit).map_err(failed)?;
    match answer.first() {
        Some(&AGENT_FAILURE) => Err(AgentError::Refused { socket: socket.to_owned() }),
        _ => Ok(answer),
    }
}

fn exchange(socket: &Path, request: &[u8], limit: Duration) -> io::Result<Vec<u8>> {
    let deadline = Instant::now() + limit;
    let length = u32::try_from(request.len()).ok().filter(|_| request.len() <= MAX_MESSAGE);
    let length = length.ok_or_else(|| io::Error::other("more than an agent signs at once"))?;
    let mut stream = UnixStream::connect(socket)?;
    stream.set_write_timeout(Some(limit))?;
    stream.write_all(&[&length.to_be_bytes(), request].concat())?;
    let mut prefix = [0; 4];
    read(&mut stream, &mut prefix, deadline)?;
    let length = usize::try_from(u32::from_be_bytes(prefix)).unwrap_or(usize::MAX);
    if length == 0 || length > MAX_MESSAGE {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "an answer of no sound length"));
    }
    let mut answer = vec![0; length];
    read(&mut stream, &mut answer, deadline)?;
    Ok(answer)
}

/// Fills `buffer` by the deadline: a byte now and then does not keep us here.
fn read(stream: &mut UnixStream, buffer: &mut [u8], deadline: Instant) -> io::Result<()> {
    let mut filled = 0;
    while filled < buffer.len() {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(&mut buffer[filled..]) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                return Err(io::ErrorKind::TimedOut.into());
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn put(message: &mut Vec<u8>, bytes: &[u8]) {
    // Whatever is longer than a message may be is refused before it is sent.
    message.extend(u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
    message.extend(bytes);
}

fn take_number(rest: &mut &[u8]) -> Option<u32> {
    let (number, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(u32::from_be_bytes(*number))
}

fn take<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(take_number(rest)?).ok()?;
    let (bytes, after) = rest.split_at_checked(length)?;
    *rest = after;
    Some(bytes)
}

/// The keys in an answer of kind 12.
fn identities(answer: &[u8]) -> Option<Vec<&[u8]>> {
    let mut rest = answer.strip_prefix(&[IDENTITIES_ANSWER])?;
    let count = take_number(&mut rest)?;
    let mut keys = Vec::new();
    // The count is only a claim: each key takes bytes of an answer that is bounded.
    for _ in 0..count {
        keys.push(take(&mut rest)?);
        let _comment = take(&mut rest)?;
    }
    rest.is_empty().then_some(keys)
}

/// The signature in an answer of kind 14.
fn signature(answer: &[u8]) -> Option<[u8; 64]> {
    let mut outer = answer.strip_prefix(&[SIGN_RESPONSE])?;
    let mut inner = take(&mut outer)?;
    let (algorithm, signature) = (take(&mut inner)?, take(&mut inner)?);
    let whole = algorithm == ALGORITHM && inner.is_empty() && outer.is_empty();
    signature.try_into().ok().filter(|_| whole)
}

fn blob_of(key: &PublicKey) -> Vec<u8> {
    let mut blob = Vec::new();
    put(&mut blob, ALGORITHM);
    put(&mut blob, key.as_bytes());
    blob
}

fn public_key(mut blob: &[u8]) -> Option<PublicKey> {
    let (algorithm, key) = (take(&mut blob)?, take(&mut blob)?);
    let key = key.try_into().ok().filter(|_| algorithm == ALGORITHM && blob.is_empty())?;
    PublicKey::from_bytes(key).ok()
}

impl From<AgentError> for Failure {
    fn from(error: AgentError) -> Self {
        let text = in_full(&error);
        match error {
            AgentError::NoSocket => Self::input(text).hint("start one: eval $(ssh-agent)"),
            AgentError::Unknown { .. } => {
                Self::input(text).hint("ssh-add -l shows what it holds; ssh-add FILE adds a key")
            }
            AgentError::Refused { .. } => Self::input(text).hint("ssh-add -X unlocks it"),
            AgentError::Socket { .. }
            | AgentError::Answer { .. }
            | AgentError::Signature { .. } => Self::system(text),
        }
    }
}

#[cfg(test)]
mod tests;
