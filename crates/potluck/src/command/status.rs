//! `potluck status`: what the operator sees of a running aggregator.

use std::time::Duration;

use potluck_net::{PeerStatus, Status, UploadStatus};
use serde_json::json;
use tokio::time::sleep;

use super::table::table;
use crate::failure::Failure;
use crate::folder::Folder;
use crate::output::{Output, bytes};
use crate::patience::patiently;
use crate::place::Member;

/// How often `--watch` looks.
const EVERY: Duration = Duration::from_secs(2);

/// Show uploads under way, connections, quarantine and disk (operator)
///
/// Example: potluck status --dir kitchen --watch
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    member: Member,
    /// Look again every two seconds, until Ctrl-C; with --json, one object a line
    #[arg(long)]
    watch: bool,
}

/// Asks, and shows what is answered.
pub(crate) async fn run(args: &Args, output: &Output) -> Result<(), Failure> {
    let folder = Folder::operator(&args.member.dir)?;
    let client = args.member.door(&folder)?.connect().await?;
    loop {
        let status = patiently(async || client.status().await).await?;
        if args.watch {
            output.clear();
        }
        words(&status).into_iter().for_each(|line| output.line(line));
        output.result(&json!(status));
        if !args.watch {
            client.close().await;
            return Ok(());
        }
        sleep(EVERY).await;
    }
}

fn words(status: &Status) -> Vec<String> {
    let mut words = Vec::new();
    if let Some(fault) = &status.fault {
        words.push(format!("The store failed, and nothing more is written: {fault}"));
    }
    if status.uploads.is_empty() {
        words.push("No upload is under way.".to_owned());
    } else {
        let rows: Vec<_> = status.uploads.iter().map(upload).collect();
        let head = ["upload of", "file", "verified", "of", "", "a second", "left"];
        words.extend(table(&head, &rows));
    }
    words.push(String::new());
    let rows: Vec<_> = status.peers.iter().map(peer).collect();
    words.extend(table(&["who", "connections", "in quarantine"], &rows));
    words.push(String::new());
    words.push(match status.disk_left {
        Some(left) => format!("{} are left on the disk for uploads and soups.", bytes(left)),
        None => "The disk does not say how much is left.".to_owned(),
    });
    words
}

fn upload(upload: &UploadStatus) -> Vec<String> {
    let percent = u128::from(upload.verified) * 100 / u128::from(upload.size.max(1));
    vec![
        upload.party.clone(),
        upload.blake3.short().to_string(),
        bytes(upload.verified),
        bytes(upload.size),
        format!("{percent} %"),
        bytes(upload.rate),
        upload.seconds_left.map_or("-".to_owned(), duration),
    ]
}

fn peer(peer: &PeerStatus) -> Vec<String> {
    vec![peer.name.clone(), peer.connections.to_string(), bytes(peer.quarantine)]
}

/// Seconds for people.
fn duration(seconds: u64) -> String {
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match hours {
        0 => format!("{minutes}:{seconds:02}"),
        _ => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use potluck_core::Blake3;

    #[test]
    fn what_is_under_way_stands_in_columns() {
        let upload = UploadStatus {
            party: "agency".into(),
            blake3: Blake3::from_bytes([1; 32]),
            size: 2_000_000_000,
            verified: 500_000_000,
            resumed_from: 0,
            rate: 100_000_000,
            seconds_left: Some(3615),
        };
        let peers = vec![
            PeerStatus { name: "agency".into(), connections: 1, quarantine: 2_000_000_000 },
            PeerStatus { name: "operator".into(), connections: 1, quarantine: 0 },
        ];
        let status =
            Status { uploads: vec![upload], peers, disk_left: Some(7_000_000), fault: None };
        let lines = words(&status);
        assert_eq!(
            lines,
            [
                "upload of      file   verified       of         a second     left",
                "agency     01010101  500.00 MB  2.00 GB  25 %  100.00 MB  1:00:15",
                "",
                "who       connections  in quarantine",
                "agency              1        2.00 GB",
                "operator            1            0 B",
                "",
                "7.00 MB are left on the disk for uploads and soups.",
            ]
        );
        let quiet = words(&Status { fault: Some("disk".into()), ..Status::default() });
        assert_eq!(quiet[1], "No upload is under way.");
        assert!(quiet[0].ends_with("nothing more is written: disk"));
        assert_eq!((duration(59), duration(61)), ("0:59".into(), "1:01".into()));
    }
}
