//! Container images, made here so that no registry is asked: archives that an agent imports at its start.
//! Deliberately absent: images of others; busybox is Debian's, CoreDNS is built from its module.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::run;
use crate::lab::LabError;
use crate::lab::cache::{self, Programs};
use crate::lab::error::file;
use crate::lab::parts::{ARCHIVE, COREDNS, IMAGES_MODULE, PAUSE, TOOL};

/// What all references begin with; no registry has this name.
const REGISTRY: &str = "lab.defib.dev";

/// What busybox is called by in its image: enough to look around from within a pod.
const APPLETS: &[&str] = &[
    "awk", "cat", "chmod", "cp", "date", "dd", "df", "echo", "env", "false", "free", "grep",
    "head", "hostname", "httpd", "id", "ip", "kill", "ln", "ls", "mkdir", "mount", "mv", "nc",
    "nslookup", "ping", "ps", "rm", "sed", "sh", "sleep", "sort", "tail", "test", "time",
    "timeout", "touch", "true", "wc",
];

/// One image: its name, what it starts, and what is in it.
struct Image {
    name: &'static str,
    entry: &'static str,
    content: Vec<String>,
}

/// Makes what is missing and gives the archives. `root` is the nodes' root file system.
pub(crate) fn ready(root: &Path, tell: &mut dyn FnMut(&str)) -> Result<Vec<PathBuf>, LabError> {
    let folder = IMAGES_MODULE.folder_in(&cache::root()?)?;
    let archive = Programs::one(&ARCHIVE, tell)?;
    let whole = |path: &Path, target: &str| format!("{}={target}", path.display());
    let mut shell = vec![whole(&root.join("bin/busybox"), "/bin/busybox")];
    shell.extend(APPLETS.iter().map(|name| format!("busybox->/bin/{name}")));
    let images = [
        Image {
            name: "pause",
            entry: "/pause",
            content: vec![whole(&Programs::one(&PAUSE, tell)?, "/pause")],
        },
        Image {
            name: "tool",
            entry: "/tool",
            content: vec![whole(&Programs::one(&TOOL, tell)?, "/tool")],
        },
        Image {
            name: "coredns",
            entry: "/coredns",
            content: vec![whole(&Programs::one(&COREDNS, tell)?, "/coredns")],
        },
        Image {
            name: "busybox",
            entry: "/bin/sh",
            content: shell,
        },
        Image {
            name: "ssh",
            entry: "/usr/bin/ssh",
            content: ssh(root)?,
        },
    ];
    // Two labs that come up at once would write one file.
    let lock = folder.join("images.lock");
    let held = File::create(&lock).map_err(file("create", &lock))?;
    held.lock().map_err(file("lock", &lock))?;
    let mut archives = Vec::new();
    for image in images {
        // What is packed has versions of its own, and so has the folder.
        let from = match image.name {
            "coredns" => COREDNS.upstream.version()?,
            "busybox" => format!("{}-{:x}", name_of(root), of_applets()),
            "ssh" => name_of(root),
            _ => String::new(),
        };
        let target = folder.join(format!("{}{from}.tar", image.name));
        if !target.is_file() {
            let unfinished = target.with_extension("part");
            let reference = format!("{REGISTRY}/{}:lab", image.name);
            run::text(
                Command::new(&archive)
                    .arg(&unfinished)
                    .args([&reference, image.entry])
                    .args(&image.content),
            )?;
            fs::rename(&unfinished, &target).map_err(file("rename", &unfinished))?;
        }
        archives.push(target);
    }
    Ok(archives)
}

/// Debian's ssh with the libraries that it is linked with, and the name of its user, without whom it does not start.
fn ssh(root: &Path) -> Result<Vec<String>, LabError> {
    let linked = run::text(
        Command::new("chroot")
            .arg(root)
            .args(["ldd", "/usr/bin/ssh"]),
    )?;
    // `libz.so.1 => /lib/…/libz.so.1 (0x…)`, and the loader without an arrow; the kernel's own has no path.
    let mut files: Vec<&str> = linked
        .split_ascii_whitespace()
        .filter(|word| word.starts_with('/'))
        .collect();
    files.extend(["/usr/bin/ssh", "/etc/passwd"]);
    let here = |path: &&str| root.join(path.trim_start_matches('/'));
    Ok(files
        .iter()
        .map(|path| format!("{}={path}", here(path).display()))
        .collect())
}

/// A number that is another one where the list of names is.
fn of_applets() -> u64 {
    use std::hash::{DefaultHasher, Hash as _, Hasher as _};
    let mut hasher = DefaultHasher::new();
    APPLETS.hash(&mut hasher);
    hasher.finish()
}

fn name_of(root: &Path) -> String {
    root.file_name()
        .map(|name| format!("-{}", name.to_string_lossy()))
        .unwrap_or_default()
}
