//! Folders are read strictly, and keys only where nobody else can.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::*;
use crate::failure::Kind;

const EXAMPLE: &str = include_str!("../../../../configs/party.toml");

fn folder(file: &str, text: &str) -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join(file), text).unwrap();
    home
}

fn refused(text: &str) -> String {
    let home = folder(PARTY_FILE, text);
    let failure = Folder::open(home.path()).unwrap_err();
    assert_eq!(failure.kind(), Kind::Input);
    failure.message().replace(&home.path().display().to_string(), "DIR")
}

#[test]
fn the_example_loads() {
    let home = folder(PARTY_FILE, EXAMPLE);
    let folder = Folder::open(home.path()).unwrap();
    assert_eq!(folder.party_id().unwrap().as_str(), "readers");
    assert_eq!(folder.keys.sign, KeySource::File(home.path().join(PARTY_KEY)));
}

#[test]
fn what_is_written_is_what_is_read() {
    let home = folder(PARTY_FILE, EXAMPLE);
    let example = Folder::open(home.path()).unwrap();
    let awkward = "ho\"st\\:1";
    let text = party_text(example.party_id().unwrap(), awkward, example.log_key());
    fs::write(home.path().join(PARTY_FILE), text).unwrap();
    let read = Folder::open(home.path()).unwrap();
    assert_eq!((read.address(), read.log_key()), (awkward, example.log_key()));

    let operator = folder(OPERATOR_FILE, &operator_text("host:1", example.log_key()));
    let read = Folder::open(operator.path()).unwrap();
    assert_eq!((read.author(), read.address()), (&Author::Operator, "host:1"));
    fs::write(operator.path().join(PARTY_FILE), EXAMPLE).unwrap();
    assert!(Folder::open(operator.path()).unwrap_err().message().contains("holds both"));
}

#[test]
fn errors_name_file_line_and_key() {
    let misspelt = refused(&EXAMPLE.replace("address =", "adress ="));
    assert!(misspelt.starts_with("DIR/party.toml, line 7: unknown field `adress`"), "{misspelt}");
    assert!(refused("party = 'No'").contains("line 1: 'No' is no name"));
    assert!(refused("party = 'a'").contains("missing field `address`"));
    let key = refused("party = 'a'\naddress = 'b:1'\nlog_key = 'potluck/a'");
    assert_eq!(
        key,
        "DIR/party.toml: log_key: 'potluck/a' is no log key: a verifier key reads name+id+key"
    );
}

#[test]
fn a_folder_that_is_none_says_how_one_is_made() {
    let home = tempfile::tempdir().unwrap();
    let failure = Folder::open(home.path()).unwrap_err();
    assert!(failure.cure().unwrap().contains("potluck join"));
    let failure = Folder::operator(home.path()).unwrap_err();
    assert_eq!(failure.kind(), Kind::Input);
    assert!(failure.message().contains("operator.toml"));
    assert!(failure.cure().unwrap().contains("potluck new"));
}

#[test]
fn keys_are_for_their_owner_alone() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join(PARTY_KEY);
    let made = create_key(&path, None).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(read_key(&path, &Passphrases::default()).unwrap().public(), made.public());

    for mode in [0o640, 0o604, 0o660] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let failure = Failure::from(read_key(&path, &Passphrases::default()).unwrap_err());
        assert_eq!(failure.kind(), Kind::Input);
        assert_eq!(failure.cure(), Some(&*format!("chmod 600 {}", path.display())));
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(&path, "secret nonsense").unwrap();
    let failure = Failure::from(read_key(&path, &Passphrases::default()).unwrap_err());
    assert!(failure.message().contains("party.pem holds no key that can be used"), "{failure}");
    assert!(!failure.message().contains("secret"));
    fs::remove_file(&path).unwrap();
    assert_eq!(
        Failure::from(read_key(&path, &Passphrases::default()).unwrap_err()).kind(),
        Kind::Input
    );
}

#[test]
fn each_key_is_where_the_settings_say_or_by_its_usual_name() {
    let fingerprint = "SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU";
    let agent = EXAMPLE.replace("keys/party.pem", &format!("ssh-agent:{fingerprint}"));
    let home = folder(PARTY_FILE, &agent);
    let (sign, identity) = {
        let folder = Folder::open(home.path()).unwrap();
        (folder.keys.sign.clone(), folder.identity().unwrap_err())
    };
    assert_eq!(sign.to_string(), format!("ssh-agent:{fingerprint}"));
    assert!(identity.message().contains("does not connect"), "{identity}");
    assert!(identity.cure().unwrap().contains("keygen --role transport --out"));

    let transport = create_key(&home.path().join(TRANSPORT_KEY), None).unwrap();
    let opened = Folder::open(home.path()).unwrap();
    assert_eq!(opened.identity().unwrap().public(), transport.public());
    assert_eq!(opened.keys.witness, None);
    let named = agent + "transport = 'elsewhere.pem'\nwitness = 'w.pem'\n";
    let home = folder(PARTY_FILE, &named);
    let opened = Folder::open(home.path()).unwrap();
    assert_eq!(opened.keys.transport, Some(home.path().join("elsewhere.pem")));
    assert_eq!(opened.keys.witness, Some(KeySource::File(home.path().join("w.pem"))));

    let garbled = EXAMPLE.replace("keys/party.pem", "ssh-agent:MD5:00");
    assert!(refused(&garbled).contains("no fingerprint"));
}

#[test]
fn one_key_signs_and_connects_where_there_is_no_other() {
    let home = folder(PARTY_FILE, EXAMPLE);
    let key = create_key(&home.path().join(PARTY_KEY), None).unwrap();
    let opened = Folder::open(home.path()).unwrap();
    assert_eq!(opened.identity().unwrap().public(), key.public());
    assert_eq!(opened.signer().unwrap().public(), key.public());
}
