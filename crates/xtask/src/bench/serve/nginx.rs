//! The rival that serves a file as it lies on the disk.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};

use super::place::{free, wait_for};

/// Where it is, for those who have no `/usr/sbin` on their path.
///
/// # Errors
/// Where it is not installed.
pub(super) fn find() -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders =
        std::env::split_paths(&path).chain(["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from));
    let found = folders.map(|folder| folder.join("nginx")).find(|program| program.is_file());
    found.context("nginx is needed beside us: install it (Debian: apt-get install nginx-light)")
}

/// Its name and version.
///
/// # Errors
/// Where it cannot be run.
pub(super) fn version(nginx: &Path) -> Result<String> {
    let said = Command::new(nginx).arg("-v").output()?;
    let text = String::from_utf8_lossy(&said.stderr);
    Ok(text.trim().trim_start_matches("nginx version: ").to_owned())
}

/// It as it serves one folder, until it is dropped.
pub(super) struct Nginx {
    pub(super) process: Child,
    pub(super) address: SocketAddr,
}

impl Nginx {
    /// Starts it: one process, `sendfile`, and nothing written down.
    ///
    /// # Errors
    /// Where it does not start.
    pub(super) fn start(nginx: &Path, work: &Path, folder: &Path) -> Result<Self> {
        let address = free()?;
        let work = std::path::absolute(work)?;
        fs::create_dir_all(&work)?;
        let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|name| format!("{name}_temp_path {};\n", work.join(name).display()));
        let settings = format!(
            "daemon off;\nmaster_process off;\nerror_log stderr error;\npid {};\nevents {{ }}\nhttp {{\n\
             access_log off;\nsendfile on;\ntcp_nopush on;\n{}server {{ listen {address}; root {}; }}\n}}\n",
            work.join("pid").display(),
            temporary.concat(),
            std::path::absolute(folder)?.display(),
        );
        let path = work.join("nginx.conf");
        fs::write(&path, settings)?;
        let mut command = Command::new(nginx);
        command.arg("-p").arg(&work).arg("-c").arg(&path).args(["-e", "stderr"]);
        let process = command.stdin(Stdio::null()).spawn().context("cannot start nginx")?;
        let nginx = Self { process, address };
        wait_for(address)?;
        Ok(nginx)
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // It may have ended by itself; either way it is gone afterwards.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
