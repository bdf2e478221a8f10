//! Keys as OpenSSL and OpenSSH make them are read, and ours by them; hostile ones cost little and say nothing.

use std::process::Command;
use std::time::{Duration, Instant};

use pkcs8::LineEnding;
use pkcs8::der::SecretDocument;
use potluck_core::PublicKey;
use proptest::prelude::*;
use ssh_key::Kdf;

use super::*;
use crate::failure::Kind;

const SECRET: &str = "thirteen spoons of salt";

/// Runs a program and gives its output; nothing where this machine has no such program.
fn run(program: &str, args: &[&str]) -> Option<String> {
    let output = match Command::new(program).args(args).output() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            eprintln!("not tried: there is no {program} here");
            return None;
        }
        output => output.unwrap(),
    };
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap())
}

fn home() -> (tempfile::TempDir, Passphrases) {
    let home = tempfile::tempdir().unwrap();
    write(&home.path().join("passphrase"), SECRET);
    let passphrases = Passphrases::in_file(&home.path().join("passphrase"));
    (home, passphrases)
}

fn write(path: &Path, text: impl AsRef<[u8]>) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

fn secret() -> Passphrase {
    let (home, _) = home();
    Passphrase::from_file(&home.path().join("passphrase")).unwrap()
}

/// The key in a line `ssh-ed25519 BASE64 comment`.
fn ssh_public(line: &str) -> PublicKey {
    use base64::Engine as _;
    let blob = line.split(' ').nth(1).unwrap();
    let blob = base64::engine::general_purpose::STANDARD.decode(blob).unwrap();
    PublicKey::from_bytes(blob[blob.len() - 32..].try_into().unwrap()).unwrap()
}

fn openssl_public(path: &Path, secret: &Path) -> Option<PublicKey> {
    let pass = format!("file:{}", secret.display());
    let path = path.to_str().unwrap();
    let text = run("openssl", &["pkey", "-in", path, "-passin", &pass, "-noout", "-text_pub"])?;
    let digits: String =
        text.lines().skip(2).flat_map(str::chars).filter(char::is_ascii_hexdigit).collect();
    Some(format!("ed25519:{digits}").parse().unwrap())
}

#[test]
fn a_sealed_key_is_read_with_its_passphrase_alone() {
    let (home, passphrases) = home();
    let path = home.path().join("deep/sealed.pem");
    let made = create_key(&path, Some(&secret())).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(
        fs::read_to_string(&path).unwrap().starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----")
    );
    assert_eq!(fs::read_dir(home.path().join("deep")).unwrap().count(), 1);
    assert_eq!(read_key(&path, &passphrases).unwrap().public(), made.public());

    write(&home.path().join("passphrase"), "another");
    let other = Passphrases::in_file(&home.path().join("passphrase"));
    let failure = Failure::from(read_key(&path, &other).unwrap_err());
    assert_eq!(failure.kind(), Kind::Input);
    assert!(failure.message().ends_with("the passphrase is another, or the file is damaged"));
    let nobody = Failure::from(read_key(&path, &Passphrases::default()).unwrap_err());
    // Where tests run at a terminal, somebody would be asked.
    assert!(nobody.message().contains("is encrypted"), "{nobody}");
    assert!(nobody.cure().unwrap().contains(PASSPHRASE_FILE), "{nobody:?}");
}

#[test]
fn a_key_is_never_written_over_anything() {
    let (home, _) = home();
    let path = home.path().join("key.pem");
    write(&path, "something dear");
    let link = home.path().join("link.pem");
    std::os::unix::fs::symlink(home.path().join("nowhere"), &link).unwrap();
    for path in [&path, &link] {
        let failure = Failure::from(create_key(path, None).unwrap_err());
        assert!(failure.message().contains("never written over"), "{failure}");
        // Nor where it appeared after the first look.
        let kind = place(path, b"key").unwrap_err().kind();
        assert_eq!(kind, io::ErrorKind::AlreadyExists);
    }
    assert_eq!(fs::read(&path).unwrap(), b"something dear");
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 3);
}

#[test]
fn openssl_reads_our_sealed_keys_and_we_its() {
    let (home, passphrases) = home();
    let at = |name: &str| home.path().join(name);
    let ours = create_key(&at("ours.pem"), Some(&secret())).unwrap();
    let Some(seen) = openssl_public(&at("ours.pem"), &at("passphrase")) else { return };
    assert_eq!(seen, ours.public());

    let plain = create_key(&at("plain.pem"), None).unwrap();
    let (plain_path, theirs) = (at("plain.pem"), at("theirs.pem"));
    let pass = format!("file:{}", at("passphrase").display());
    for scheme in [
        &["-v2", "aes-256-cbc"][..],
        &["-v2", "aes-128-cbc", "-v2prf", "hmacWithSHA512", "-iter", "10000"],
        &["-scrypt"],
    ] {
        let (from, to) = (plain_path.to_str().unwrap(), theirs.to_str().unwrap());
        let args = [&["pkcs8", "-topk8", "-in", from, "-out", to, "-passout", &pass], scheme];
        run("openssl", &args.concat()).unwrap();
        fs::set_permissions(&theirs, fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(read_key(&theirs, &passphrases).unwrap().public(), plain.public(), "{scheme:?}");
    }
    let costly = ["pkcs8", "-topk8", "-in", plain_path.to_str().unwrap(), "-passout", &pass];
    let costly = [&costly[..], &["-out", theirs.to_str().unwrap(), "-v2", "aes-256-cbc", "-iter"]];
    run("openssl", &[&costly.concat()[..], &["10000001"]].concat()).unwrap();
    let begun = Instant::now();
    let refused = read_key(&theirs, &passphrases).unwrap_err();
    assert!(begun.elapsed() < Duration::from_secs(1));
    assert!(matches!(refused, KeyFileError::Malformed { source: FormatError::Costly, .. }));
}

#[test]
fn keys_of_ssh_keygen_are_read() {
    let (home, passphrases) = home();
    for (name, secret, cipher) in [
        ("plain", "", "aes256-ctr"),
        ("sealed", SECRET, "aes256-ctr"),
        ("gcm", SECRET, "aes256-gcm@openssh.com"),
        ("chacha", SECRET, "chacha20-poly1305@openssh.com"),
    ] {
        let path = home.path().join(name);
        let file = path.to_str().unwrap();
        let args =
            ["-q", "-t", "ed25519", "-C", "cook@kitchen", "-Z", cipher, "-N", secret, "-f", file];
        if run("ssh-keygen", &args).is_none() {
            return;
        }
        let public = ssh_public(&fs::read_to_string(path.with_extension("pub")).unwrap());
        let key = read_key(&path, &passphrases).unwrap();
        assert_eq!(key.public(), public, "{name}");
        public.verify(b"message", &key.sign(b"message")).unwrap();
    }
    write(&home.path().join("passphrase"), "another");
    let other = Passphrases::in_file(&home.path().join("passphrase"));
    let refused = read_key(&home.path().join("sealed"), &other).unwrap_err();
    assert!(matches!(refused, KeyFileError::Malformed { source: FormatError::Passphrase, .. }));

    let ecdsa = home.path().join("ecdsa");
    run("ssh-keygen", &["-q", "-t", "ecdsa", "-N", "", "-f", ecdsa.to_str().unwrap()]).unwrap();
    let refused = Failure::from(read_key(&ecdsa, &passphrases).unwrap_err());
    assert_eq!(refused.kind(), Kind::Input);
    let rsa = home.path().join("rsa");
    run("ssh-keygen", &["-q", "-t", "rsa", "-N", "", "-f", rsa.to_str().unwrap()]).unwrap();
    let refused = read_key(&rsa, &passphrases).unwrap_err();
    assert!(matches!(refused, KeyFileError::Malformed { source: FormatError::Algorithm, .. }));
}

#[test]
fn rounds_of_bcrypt_are_bounded() {
    let (home, passphrases) = home();
    let path = home.path().join("slow");
    let args = ["-q", "-t", "ed25519", "-N", SECRET, "-a", "4", "-f", path.to_str().unwrap()];
    if run("ssh-keygen", &args).is_none() {
        return;
    }
    // The count of rounds stands in the clear behind the salt; what says 4 is made to say 2^31.
    let key = ssh_key::PrivateKey::from_openssh(fs::read(&path).unwrap()).unwrap();
    let mut bytes = key.to_bytes().unwrap().to_vec();
    let Kdf::Bcrypt { salt, .. } = key.kdf() else { panic!("it is encrypted") };
    let at = bytes.windows(salt.len()).position(|window| window == salt).unwrap() + salt.len();
    assert_eq!(bytes[at..at + 4], [0, 0, 0, 4]);
    bytes[at] = 0x80;
    let slow = ssh_key::PrivateKey::from_bytes(&bytes).unwrap();
    write(&path, slow.to_openssh(ssh_key::LineEnding::LF).unwrap());
    let begun = Instant::now();
    let refused = read_key(&path, &passphrases).unwrap_err();
    assert!(begun.elapsed() < Duration::from_secs(1));
    assert!(matches!(refused, KeyFileError::Malformed { source: FormatError::Costly, .. }));
}

#[test]
fn what_is_no_key_is_not_repeated() {
    let (home, passphrases) = home();
    let path = home.path().join("key");
    for text in [
        "-----BEGIN PRIVATE KEY-----\nc2VjcmV0c2VjcmV0\n-----END PRIVATE KEY-----\n",
        "-----BEGIN OPENSSH PRIVATE KEY-----\nc2VjcmV0c2VjcmV0\n-----END OPENSSH PRIVATE KEY-----\n",
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nc2VjcmV0c2VjcmV0\n-----END ENCRYPTED PRIVATE KEY-----\n",
        "c2VjcmV0c2VjcmV0",
        "",
    ] {
        write(&path, text);
        let failure = Failure::from(read_key(&path, &passphrases).unwrap_err());
        assert_eq!(failure.kind(), Kind::Input);
        assert!(!failure.to_string().contains("c2Vj"), "{failure}");
    }
    write(&path, [0xff; 3 * MAX_PEM]);
    read_key(&path, &passphrases).unwrap_err();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn a_damaged_file_is_refused_or_the_same_key(byte in 0usize..400, change in 1u8..) {
        let text = PrivateKey::from_seed(&[7; 32]).to_pem();
        let mut bytes = text.as_bytes().to_vec();
        let at = byte % bytes.len();
        bytes[at] ^= change;
        let ask = || Err(PassphraseError::Typed);
        // Bytes that are no text do not come this far.
        let _ = parse(&String::from_utf8_lossy(&bytes), ask);
    }

    #[test]
    fn hostile_der_ends_soon_and_quietly(noise: Vec<u8>, byte in 0usize..200, change in 1u8..) {
        static SEALED: std::sync::LazyLock<Zeroizing<String>> = std::sync::LazyLock::new(|| {
            sealed::seal(&PrivateKey::from_seed(&[7; 32]), &secret(), &[9; 32]).unwrap()
        });
        let (_, document) = SecretDocument::from_pem(&SEALED).unwrap();
        let mut bytes = document.as_bytes().to_vec();
        let at = byte % bytes.len();
        bytes[at] ^= change;
        for bytes in [bytes, noise] {
            let Ok(document) = SecretDocument::try_from(&bytes[..]) else { continue };
            let pem = document.to_pem("ENCRYPTED PRIVATE KEY", LineEnding::LF).unwrap();
            let _ = sealed::open(&pem, &secret());
        }
    }
}
