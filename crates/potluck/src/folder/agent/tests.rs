//! A real agent signs; one that lies, stalls or talks nonsense is found out.

use std::os::unix::net::UnixListener;
use std::process::{Child, Command, Stdio};
use std::thread;

use proptest::prelude::*;

use super::*;

/// An `ssh-agent` of our own, ended with the test.
struct Agent {
    child: Child,
    home: tempfile::TempDir,
}

impl Agent {
    /// Nothing where this machine has no `ssh-agent`.
    fn start() -> Option<Self> {
        let home = tempfile::tempdir().unwrap();
        let mut command = Command::new("ssh-agent");
        command.args(["-D", "-a"]).arg(home.path().join("socket"));
        let spawned = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let Ok(child) = spawned else {
            eprintln!("not tried: there is no ssh-agent here");
            return None;
        };
        let agent = Self { child, home };
        let begun = Instant::now();
        while UnixStream::connect(agent.socket()).is_err() {
            assert!(begun.elapsed() < Duration::from_secs(10), "the agent listens in time");
            thread::yield_now();
        }
        Some(agent)
    }

    fn socket(&self) -> PathBuf {
        self.home.path().join("socket")
    }

    fn run(&self, program: &str, args: &[&str]) -> String {
        let mut command = Command::new(program);
        let output = command.args(args).env(SOCKET, self.socket()).stdin(Stdio::null()).output();
        let output = output.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Makes a key of this type, hands it over, and forgets the file.
    fn add(&self, kind: &str) -> Fingerprint {
        let path = self.home.path().join(kind);
        let file = path.to_str().unwrap();
        self.run("ssh-keygen", &["-q", "-t", kind, "-N", "", "-f", file]);
        self.run("ssh-add", &["-q", file]);
        std::fs::remove_file(&path).unwrap();
        let line = self.run("ssh-keygen", &["-l", "-f", &format!("{file}.pub")]);
        line.split(' ').nth(1).unwrap().parse().unwrap()
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_real_agent_signs_what_it_is_given() {
    let Some(agent) = Agent::start() else { return };
    let (ecdsa, wanted) = (agent.add("ecdsa"), agent.add("ed25519"));
    let key = AgentKey::find_at(&agent.socket(), wanted).unwrap();
    for message in [&b""[..], b"a statement", &[7; 100_000]] {
        key.public().verify(message, &key.sign(message).unwrap()).unwrap();
    }
    let huge = key.sign(&vec![0; MAX_MESSAGE]).unwrap_err();
    assert!(huge.what.contains("more than an agent signs at once"), "{huge}");

    let other = AgentKey::find_at(&agent.socket(), ecdsa).unwrap_err();
    assert!(matches!(other, AgentError::Unknown { .. }), "{other:?}");
    agent.run("ssh-add", &["-q", "-D"]);
    let gone = key.sign(b"a statement").unwrap_err();
    assert!(gone.what.contains("refused"), "{gone}");
    let socket = agent.socket();
    drop(agent);
    let nobody = AgentKey::find_at(&socket, wanted).unwrap_err();
    assert!(matches!(nobody, AgentError::Socket { .. }), "{nobody:?}");
}

/// An agent that gives these answers, one a connection.
fn puppet(answers: Vec<Vec<u8>>) -> (tempfile::TempDir, PathBuf) {
    let home = tempfile::tempdir().unwrap();
    let socket = home.path().join("socket");
    let listener = UnixListener::bind(&socket).unwrap();
    thread::spawn(move || {
        for answer in answers {
            let Ok((mut stream, _)) = listener.accept() else { return };
            let mut length = [0; 4];
            let _ = stream.read_exact(&mut length);
            let mut request = vec![0; u32::from_be_bytes(length) as usize];
            let _ = stream.read_exact(&mut request);
            let _ = stream.write_all(&answer);
        }
    });
    (home, socket)
}

fn framed(body: &[u8]) -> Vec<u8> {
    [&u32::try_from(body.len()).unwrap().to_be_bytes()[..], body].concat()
}

fn listing(key: &PublicKey) -> Vec<u8> {
    let mut body = vec![IDENTITIES_ANSWER, 0, 0, 0, 1];
    put(&mut body, &blob_of(key));
    put(&mut body, b"comment");
    framed(&body)
}

fn signed(signature: &[u8]) -> Vec<u8> {
    let (mut inner, mut body) = (Vec::new(), vec![SIGN_RESPONSE]);
    put(&mut inner, ALGORITHM);
    put(&mut inner, signature);
    put(&mut body, &inner);
    framed(&body)
}

#[test]
fn an_agent_that_signs_with_another_key_is_found_out() {
    let key = potluck_core::PrivateKey::from_seed(&[1; 32]);
    let other = potluck_core::PrivateKey::from_seed(&[2; 32]);
    let fingerprint = Fingerprint::of(&blob_of(&key.public()));
    let (_home, socket) = puppet(vec![
        listing(&key.public()),
        signed(&key.sign(b"m")),
        signed(&other.sign(b"m")),
        signed(&[0; 63]),
        framed(&[AGENT_FAILURE]),
        framed(&[]),
        u32::MAX.to_be_bytes().to_vec(),
        vec![0, 0],
    ]);
    let found = AgentKey::find_at(&socket, fingerprint).unwrap();
    found.signature(b"m").unwrap();
    let mut ends = (0..6).map(|_| found.signature(b"m").unwrap_err());
    assert!(matches!(ends.next().unwrap(), AgentError::Signature { .. }));
    assert!(matches!(ends.next().unwrap(), AgentError::Answer { .. }));
    assert!(matches!(ends.next().unwrap(), AgentError::Refused { .. }));
    assert!(ends.all(|error| matches!(error, AgentError::Socket { .. })));
}

#[test]
fn an_agent_that_stalls_is_given_up() {
    let home = tempfile::tempdir().unwrap();
    let socket = home.path().join("socket");
    let listener = UnixListener::bind(&socket).unwrap();
    let begun = Instant::now();
    let ended = exchange(&socket, &[REQUEST_IDENTITIES], Duration::from_millis(50)).unwrap_err();
    assert_eq!(ended.kind(), io::ErrorKind::TimedOut);
    assert!(begun.elapsed() < Duration::from_secs(5));
    drop(listener);
}

#[test]
fn fingerprints_are_those_of_ssh_add() {
    let text = "SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU";
    assert_eq!(text.parse::<Fingerprint>().unwrap().to_string(), text);
    for text in ["", "SHA256:", "MD5:00", "SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU="] {
        text.parse::<Fingerprint>().unwrap_err();
    }
}

proptest! {
    #[test]
    fn any_answer_is_judged_without_a_panic(body: Vec<u8>, kind in 11u8..15) {
        let answer = [&[kind][..], &body].concat();
        let _ = identities(&answer).map(|keys| keys.into_iter().map(public_key).count());
        let _ = signature(&answer);
    }
}
