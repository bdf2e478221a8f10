//! The file, the environment and flags together, and what each wrong value says.

use potluck_net::{Congestion, Tuning};

use super::*;

const EXAMPLE: &str = include_str!("../../../../configs/aggregator.toml");

fn gather(text: &str, flags: &[&str]) -> Result<Settings, SettingsError> {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(FILE), text).unwrap();
    let dir = folder.path().to_str().unwrap();
    let arguments = ["potluck-aggregator", "--dir", dir].into_iter().chain(flags.iter().copied());
    Settings::gather(&Arguments::try_parse_from(arguments).unwrap())
}

#[test]
fn the_example_says_what_holds_without_it() {
    let settings = gather(EXAMPLE, &[]).unwrap();
    assert_eq!(settings.limits, Limits::default());
    assert_eq!(settings.store, settings.dir.join("store"));
    assert_eq!(settings.listen, "127.0.0.1:4433".parse().unwrap());
    let spare = gather("listen = '127.0.0.1:4433'", &[]).unwrap();
    assert_eq!((spare.limits, spare.listen), (settings.limits, settings.listen));
    assert_eq!((spare.transport, settings.transport), Default::default());
    assert_eq!((spare.hub, settings.hub), Default::default());
}

#[test]
fn flags_stand_above_the_file() {
    let settings = gather(EXAMPLE, &["--listen", "[::1]:9", "--store", "/elsewhere"]).unwrap();
    assert_eq!(settings.listen, "[::1]:9".parse().unwrap());
    assert_eq!(settings.store, PathBuf::from("/elsewhere"));
}

#[test]
fn certificates_are_files_of_the_folder() {
    let text = "listen = '127.0.0.1:1'\n[x509]\nlisten = '127.0.0.1:2'\nca = 'ca.pem'\n";
    assert!(gather(text, &[]).unwrap_err().to_string().contains("missing field `certificate`"));
    let settings = gather(&format!("{text}certificate = 'own.pem'\n"), &[]).unwrap();
    let x509 = settings.x509.unwrap();
    assert_eq!(x509.ca, settings.dir.join("ca.pem"));
    let error = x509.read().unwrap_err().to_string();
    assert!(error.contains("cannot read the certificates") && error.ends_with("ca.pem"));
    assert_eq!(gather(EXAMPLE, &[]).unwrap().x509, None);
}

#[test]
fn errors_name_file_line_and_key() {
    let error = |text: &str| gather(text, &[]).unwrap_err().to_string();
    let misspelt = error("listen = '127.0.0.1:1'\nstroe = 'x'\n");
    assert!(misspelt.contains("aggregator.toml, line 2: unknown field `stroe`"), "{misspelt}");
    let inner = error("listen = '127.0.0.1:1'\n[limits]\nconections = 1\n");
    assert!(inner.contains("line 3: unknown field `conections`"), "{inner}");
    assert!(error("").contains("missing field `listen`"));
    assert!(error("listen = 'nowhere'").contains("line 1: invalid socket address"));
    let zero = error("listen = '127.0.0.1:1'\n[limits]\nconnections = 0\n");
    assert!(zero.contains("limits.connections is 0"), "{zero}");
    let limit = |text: &str| error(&format!("listen = '127.0.0.1:1'\n[limits]\n{text}\n"));
    let wrong = limit("idle_seconds = 0");
    assert!(wrong.contains("limits.idle_seconds is 0"), "{wrong}");
    let wrong = limit("bytes_per_second_per_party = 0");
    assert!(wrong.contains("line 3: invalid value: integer `0`, expected a nonzero"), "{wrong}");
    let wrong = limit("uploads = 200\ndownloads = 201");
    assert!(wrong.contains("limits.downloads makes 401 transfers"), "{wrong}");
    let wrong = limit("bytes_per_second_per_party = 99999");
    assert!(wrong.contains("is 99999; 100000 at least"), "{wrong}");
    let wrong = limit("bytes_per_second_per_party = 1000000\nprogress_bytes = 1000000");
    assert!(wrong.contains("is 1000000; 1066656 at least"), "{wrong}");
    assert!(!misspelt.contains('\n'));
    let witness = error("listen = '127.0.0.1:1'\n[witnesses]\nurls = ['https://w']\n");
    assert!(witness.contains("witnesses.urls: \"https://w\""), "{witness}");
    let http = "listen = '127.0.0.1:1'\n[http]\nlisten = '127.0.0.1:2'\nmorl = 'runs.json'\n";
    let missing = error(http);
    assert!(missing.contains("http.morl names ") && missing.contains("cannot be read"));
}

#[test]
fn the_line_is_used_as_the_file_says() {
    let listen = "listen = '127.0.0.1:1'\n[transport]\n";
    let text = format!("{listen}window_mib = 64\ncongestion = 'bbr'\n");
    let tuning = gather(&text, &[]).unwrap().network().tuning;
    assert_eq!((tuning.window, tuning.congestion), ("64".parse().unwrap(), Congestion::Bbr));
    assert_eq!(gather(listen, &[]).unwrap().network().tuning, Tuning::default());
    for (line, told) in [
        ("window_mib = 0", "a window is a whole number of MiB from 1 to 1024"),
        ("window_mib = 1025", "a window is a whole number of MiB from 1 to 1024"),
        ("congestion = 'reno'", "unknown variant `reno`, expected `cubic` or `bbr`"),
    ] {
        let error = gather(&format!("{listen}{line}"), &[]).unwrap_err().to_string();
        assert!(error.contains("line 3: ") && error.contains(told), "{error}");
    }
}

#[test]
fn a_missing_file_is_named() {
    let arguments = Arguments::try_parse_from(["x", "--dir", "/nonexistent"]).unwrap();
    let error = Settings::gather(&arguments).unwrap_err().to_string();
    assert_eq!(error, "cannot read the settings /nonexistent/aggregator.toml");
}
