//! The layer that makes a Debian a k3s host: the program, the unit, and the two scripts that end or remove it.
//! Deliberately absent: what differs between nodes; see `etc`.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use super::open::Role;
use crate::lab::LabError;
use crate::lab::error::file;

const UNIT: &str = include_str!("../../../../lab/node/k3s.service");
const KILLALL: &str = include_str!("../../../../lab/node/k3s-killall.sh");
const ETCDCTL: &str = include_str!("../../../../lab/node/etcdctl.sh");
const HOST: &str = include_str!("../../../../lab/node/host.sh");
const HOST_UNIT: &str = include_str!("../../../../lab/node/lab-host.service");
const UNINSTALL: &str = include_str!("../../../../lab/node/k3s-uninstall.sh");

/// Where a node sees upstream's programs.
pub(super) const PARTS: &str = "/opt/lab/bin";

/// Which program is `k3s` on the nodes: `$LAB_K3S` puts a real one in the stand-in's place.
pub(super) fn real_k3s() -> Option<PathBuf> {
    std::env::var_os("LAB_K3S").map(PathBuf::from)
}

/// The unit's name, without its suffix.
pub(super) const fn unit(role: Role) -> &'static str {
    match role {
        Role::Server => "k3s",
        Role::Agent => "k3s-agent",
        Role::Hypervisor => "ssh",
    }
}

/// Fills the layer of all nodes. `parts` are the names that will be mounted over the empty files.
pub(super) fn fill(layer: &Path, k3s: &Path, parts: &[&str]) -> Result<(), LabError> {
    link_in(layer, "usr/local/bin", "k3s", k3s)?;
    for name in ["kubectl", "crictl", "ctr"] {
        let link = layer.join("usr/local/bin").join(name);
        symlink("k3s", &link).map_err(file("link", &link))?;
    }
    put(layer, "usr/local/bin/k3s-killall.sh", 0o755, KILLALL)?;
    // k3s brings no etcdctl; a person installs one beside it.
    put(layer, "usr/local/bin/etcdctl", 0o755, ETCDCTL)?;
    put(layer, "opt/lab/host.sh", 0o755, HOST)?;
    put(
        layer,
        "etc/systemd/system/lab-host.service",
        0o644,
        HOST_UNIT,
    )?;
    let wants = layer.join("etc/systemd/system/multi-user.target.wants");
    fs::create_dir(&wants).map_err(file("create", &wants))?;
    permit(&wants, 0o755)?;
    let link = wants.join("lab-host.service");
    symlink("/etc/systemd/system/lab-host.service", &link).map_err(file("link", &link))?;
    for part in parts {
        let path = format!("{}/{part}", PARTS.trim_start_matches('/'));
        put(layer, &path, 0o755, "")?;
    }
    Ok(())
}

/// Puts the archives of images where an agent looks for them.
pub(super) fn give_images(layer: &Path, archives: &[PathBuf]) -> Result<(), LabError> {
    const FOLDER: &str = "var/lib/rancher/k3s/agent/images";
    for archive in archives {
        let name = archive.file_name().unwrap_or_default();
        link_in(layer, FOLDER, &name.to_string_lossy(), archive)?;
    }
    Ok(())
}

/// Puts a file of the cache into a layer. It is never written to, so a link does: a node's own changes lie in its own
/// layer.
fn link_in(layer: &Path, folder: &str, name: &str, from: &Path) -> Result<(), LabError> {
    folders(layer, folder)?;
    let target = layer.join(folder).join(name);
    fs::hard_link(from, &target)
        .or_else(|_| fs::copy(from, &target).map(|_| ()))
        .map_err(file("copy to", &target))
}

/// Writes what an installation adds for a role.
pub(super) fn install(layer: &Path, role: Role, environment: &str) -> Result<(), LabError> {
    let unit = unit(role);
    let file = format!("etc/systemd/system/{unit}.service");
    let env = format!("{file}.env");
    let (word, script) = match role {
        Role::Server => ("server", "usr/local/bin/k3s-uninstall.sh"),
        Role::Agent => ("agent", "usr/local/bin/k3s-agent-uninstall.sh"),
        Role::Hypervisor => return Ok(()),
    };
    // The first line is for readers of the tree, not for the node.
    let body = UNIT.split_once('\n').map_or(UNIT, |(_, rest)| rest);
    let text = body
        .replace("@ROLE@", word)
        .replace("@ENV@", &format!("/{env}"));
    put(layer, &file, 0o644, &text)?;
    put(layer, &env, 0o600, environment)?;
    put(layer, script, 0o755, &UNINSTALL.replace("@UNIT@", unit))
}

/// Writes a file into a layer.
pub(super) fn put(layer: &Path, path: &str, mode: u32, content: &str) -> Result<(), LabError> {
    let (parents, _) = path.rsplit_once('/').unwrap_or(("", path));
    folders(layer, parents)?;
    let path = layer.join(path);
    fs::write(&path, content).map_err(file("write", &path))?;
    permit(&path, mode)
}

/// Makes the folders of a path. One of an upper layer hides the mode of the one below, so each is made as Debian has it.
pub(super) fn folders(layer: &Path, path: &str) -> Result<(), LabError> {
    let mut folder = layer.to_owned();
    for name in path.split('/').filter(|name| !name.is_empty()) {
        folder.push(name);
        if !folder.is_dir() {
            fs::create_dir(&folder).map_err(file("create", &folder))?;
            let mode = match name {
                "root" | ".ssh" => 0o700,
                _ => 0o755,
            };
            permit(&folder, mode)?;
        }
    }
    Ok(())
}

fn permit(path: &Path, mode: u32) -> Result<(), LabError> {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(file("permit", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layer_has_the_unit_and_its_secrets_are_private() {
        let layer = tempfile::tempdir().unwrap();
        let k3s = layer.path().join("program");
        fs::write(&k3s, "x").unwrap();
        let layer = layer.path().join("layer");
        fs::create_dir(&layer).unwrap();
        fill(&layer, &k3s, &["etcd"]).unwrap();
        install(&layer, Role::Server, "A=b\n").unwrap();
        let unit = fs::read_to_string(layer.join("etc/systemd/system/k3s.service")).unwrap();
        assert!(unit.starts_with("[Unit]") && !unit.contains('@'), "{unit}");
        assert!(unit.contains("ExecStart=/usr/local/bin/k3s server\n"));
        let mode = |path: &str| {
            let found = fs::metadata(layer.join(path)).unwrap();
            found.permissions().mode() & 0o777
        };
        assert_eq!(mode("etc/systemd/system/k3s.service.env"), 0o600);
        assert_eq!(mode("usr/local/bin/k3s-uninstall.sh"), 0o755);
        assert_eq!(mode("etc"), 0o755);
        install(&layer, Role::Agent, "").unwrap();
        let script = layer.join("usr/local/bin/k3s-agent-uninstall.sh");
        let script = fs::read_to_string(script).unwrap();
        assert!(script.contains("unit=k3s-agent\n"), "{script}");
    }
}
