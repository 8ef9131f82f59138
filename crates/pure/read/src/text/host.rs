//! What programs of a host print. Here: the kernel, its modules and settings, memory, versions, databases.
//!
//! Sources: procps, kmod, util-linux, sqlite3's shell.
//! Deliberately absent: judgement, and forms that nobody pastes.

mod certificate;
mod clock;
mod disks;
mod folders;
mod network;
mod services;

use defib_model::fact::Value;

use self::certificate::certificate;
use self::clock::clock;
use self::disks::{df, mount, size};
use self::folders::{heading, listing, path, total};
use self::network::{address, listens, route};
use self::services::unit;
use super::Walk;

pub(super) fn read(walk: &mut Walk<'_>, at: usize) -> Option<usize> {
    let text = walk.text(at).trim().to_owned();
    df(walk, at, &text)
        .or_else(|| certificate(walk, at, &text))
        .or_else(|| heading(walk, at, &text))
        .or_else(|| total(walk, at, &text))
        .or_else(|| listing(walk, at, &text))
        .or_else(|| path(walk, at, &text))
        .or_else(|| memory(walk, at, &text))
        .or_else(|| revisions(walk, at, &text))
        .or_else(|| unit(walk, at, &text))
        .or_else(|| {
            let value = one(walk, at, &text)?;
            walk.fact(at..at + 1, value);
            Some(at + 1)
        })
}

/// `ls: cannot access '/etc/x': No such file or directory`, `cat: /etc/x: No such file or directory`.
fn no_file(text: &str) -> Option<Value> {
    let rest = text.strip_suffix(": No such file or directory")?;
    let (program, path) = rest.rsplit_once(": ")?;
    let program = program.rsplit(' ').next()?;
    let known = [
        "ls",
        "cat",
        "stat",
        "sha256sum",
        "md5sum",
        "grep",
        "head",
        "tail",
        "less",
    ];
    let path = path
        .trim_start_matches("cannot access ")
        .trim_start_matches("cannot statx ")
        .trim_matches(['\'', '"']);
    (known.contains(&program) && path.starts_with('/')).then(|| Value::NoFile(path.to_owned()))
}

/// Facts of a single line.
fn one(walk: &Walk<'_>, at: usize, text: &str) -> Option<Value> {
    no_file(text)
        .or_else(|| route(walk, at, text))
        .or_else(|| address(walk, at, text))
        .or_else(|| listens(text))
        .or_else(|| module(text))
        .or_else(|| sysctl(text))
        .or_else(|| mount(walk, text))
        .or_else(|| policy(walk, text))
        .or_else(|| counted(walk, text))
        .or_else(|| kernel(walk, text))
        .or_else(|| clock(walk, text))
        .or_else(|| version(text))
        .or_else(|| database(walk, text))
}

/// `modprobe: FATAL: Module br_netfilter not found in directory /lib/modules/…`.
fn module(text: &str) -> Option<Value> {
    let (_, rest) = text.split_once("modprobe: FATAL: Module ")?;
    let name = rest.split(' ').next()?;
    rest.contains("not found")
        .then(|| Value::ModuleMissing(name.trim_end_matches('.').to_owned()))
}

/// `Chain FORWARD (policy DROP)`, by the program that was asked: iptables, or one of its two backends by name.
fn policy(walk: &Walk<'_>, text: &str) -> Option<Value> {
    let rest = text.strip_prefix("Chain FORWARD (policy ")?;
    let value = rest.split([' ', ')']).next()?;
    let program = walk.command.as_ref()?.program();
    program.contains("tables").then(|| Value::Setting {
        place: program.to_owned(),
        name: "FORWARD policy".to_owned(),
        value: value.to_owned(),
    })
}

/// `fs.mount-max = 100000`.
fn sysctl(text: &str) -> Option<Value> {
    let (name, value) = text.split_once(" = ")?;
    let known = ["fs.", "net.", "vm.", "kernel.", "user."];
    (known.iter().any(|k| name.starts_with(k)) && !name.contains(' '))
        .then(|| Value::Sysctl(name.to_owned(), value.trim().to_owned()))
}

/// The number that `cat /proc/mounts | wc -l` prints, and the value that `cat /proc/sys/…` prints.
fn counted(walk: &Walk<'_>, text: &str) -> Option<Value> {
    let command = walk.command.as_ref()?;
    let number: u64 = text.split_ascii_whitespace().next()?.parse().ok()?;
    let line = &command.line;
    if line.contains("wc -l")
        && (line.contains("/proc/mounts")
            || line.contains("mountinfo")
            || command.program() == "mount"
            || command.program() == "findmnt")
    {
        return Some(Value::Mounts(number));
    }
    if line.contains("/sys/kernel/iommu_groups")
        && line.contains("wc -l")
        && matches!(command.program(), "ls" | "find")
    {
        // `find` counts the folder itself too.
        let own = u64::from(command.program() == "find" && !line.contains("-mindepth"));
        return Some(Value::IommuGroups(number.saturating_sub(own)));
    }
    let path = command
        .words
        .iter()
        .find_map(|w| w.strip_prefix("/proc/sys/"))?;
    (command.program() == "cat").then(|| Value::Sysctl(path.replace('/', "."), number.to_string()))
}

/// `uname -r` alone, and the line of `uname -a`.
fn kernel(walk: &Walk<'_>, text: &str) -> Option<Value> {
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    let release = |w: &str| {
        w.starts_with(|c: char| c.is_ascii_digit())
            && w.split(['.', '-'])
                .take(3)
                .all(|p| p.parse::<u32>().is_ok())
            && w.contains('.')
            && w.contains('-')
    };
    match words.as_slice() {
        ["Linux", _, r, ..] if release(r) => Some(Value::Kernel((*r).to_owned())),
        // A release alone is the running one where nobody asked for something else: `ls /lib/modules`
        // and `ls /boot` list those that are installed.
        [r] if release(r) => match &walk.command {
            Some(c) => c.line.contains("uname"),
            None => [
                "el", "generic", "amd64", "arm64", "v8", "raspi", "fc", "pve", "cloud",
            ]
            .iter()
            .any(|m| r.contains(m)),
        }
        .then(|| Value::Kernel((*r).to_owned())),
        _ => None,
    }
}

/// `k3s version v1.30.2+k3s1 (…)`, `containerd … v1.7.2 …`, `metallb v0.9`, `- Longhorn version: v1.2.0`.
fn version(text: &str) -> Option<Value> {
    let plain = text.trim_matches('`').replace('`', "");
    let words: Vec<&str> = plain.split_ascii_whitespace().collect();
    let is_version = |w: &str| {
        let w = w.trim_end_matches([',', ')']);
        let w = w.strip_prefix('v').unwrap_or(w);
        w.starts_with(|c: char| c.is_ascii_digit()) && w.contains('.')
    };
    match words.as_slice() {
        ["k3s" | "rke2", "version", v, ..] if is_version(v) => Some(Value::Version(
            (*words.first()?).to_owned(),
            (*v).to_owned(),
        )),
        ["-" | "*", name, "version:", v]
            if is_version(v) && name.chars().all(|c| c.is_ascii_alphabetic()) =>
        {
            Some(Value::Version(name.to_ascii_lowercase(), (*v).to_owned()))
        }
        ["etcdctl" | "etcd", "version:" | "Version:", v, ..] if is_version(v) => {
            Some(Value::Version("etcd".to_owned(), (*v).to_owned()))
        }
        [name, v]
            if is_version(v)
                && name.chars().all(|c| c.is_ascii_lowercase() || c == '-')
                && name.len() > 2
                && v.len() < 24 =>
        {
            Some(Value::Version((*name).to_owned(), (*v).to_owned()))
        }
        [v] if is_version(v) && v.contains("+k3s") => {
            Some(Value::Version("k3s".to_owned(), (*v).to_owned()))
        }
        _ => None,
    }
}

/// `freelist page count: 1041266`, as sqlite's `.dbinfo` prints; also `pragma` answers after the command.
fn database(walk: &Walk<'_>, text: &str) -> Option<Value> {
    if let Some((name, value)) = text.split_once(": ") {
        let known = [
            "database page size",
            "database page count",
            "freelist page count",
            "number of tables",
        ];
        if known.contains(&name.trim()) {
            return Some(Value::Database(
                name.trim().to_owned(),
                value.split_ascii_whitespace().next()?.parse().ok()?,
            ));
        }
    }
    let command = walk.command.as_ref().filter(|c| c.program() == "sqlite3")?;
    let number = text.parse().ok()?;
    let lower = command.line.to_ascii_lowercase();
    [
        ("freelist_count", "freelist page count"),
        ("page_count", "database page count"),
        ("page_size", "database page size"),
        ("count(*)", "rows"),
    ]
    .iter()
    .find(|(pragma, _)| lower.contains(pragma))
    .map(|(_, name)| Value::Database((*name).to_owned(), number))
}

/// `| rows | compact_rev | current_rev |` and its row, as the clients of MySQL, PostgreSQL and SQLite print them: what
/// people are asked for about kine. Source: kine's issues; `compact_rev_key` is kine's own.
fn revisions(walk: &mut Walk<'_>, at: usize, text: &str) -> Option<usize> {
    let cells = |line: &str| -> Vec<String> {
        line.split('|')
            .map(|c| c.trim().to_owned())
            .filter(|c| !c.is_empty())
            .collect()
    };
    let names = cells(text);
    if !names.iter().any(|n| n == "compact_rev") {
        return None;
    }
    let is_rule = |line: &str| {
        let line = line.trim();
        line.starts_with(['+', '-']) && line.chars().all(|c| matches!(c, '+' | '-'))
    };
    let row = (at + 1..at + 3).find(|i| !is_rule(walk.text(*i)))?;
    let values = cells(walk.text(row));
    for (name, value) in names.iter().zip(&values) {
        let name = match name.as_str() {
            "compact_rev" => "compact revision",
            "current_rev" => "current revision",
            "rows" => "rows",
            _ => continue,
        };
        if let Ok(number) = value.parse() {
            walk.fact(row..row + 1, Value::Database(name.to_owned(), number));
        }
    }
    Some(row + 1)
}

/// `Mem: 7976 1220 …` below `total used free`.
fn memory(walk: &mut Walk<'_>, at: usize, text: &str) -> Option<usize> {
    if !(text.starts_with("total") && text.contains("available")) {
        return None;
    }
    let row = walk.text(at + 1).trim().strip_prefix("Mem:")?.to_owned();
    let numbers: Vec<&str> = row.split_ascii_whitespace().collect();
    // `free` counts KiB, `free -m` MiB, `free -h` says the unit.
    let block = match walk.ran("free") {
        Some(c) if c.has("-m") => 1 << 20,
        Some(c) if c.has("-g") => 1 << 30,
        Some(c) if c.has("-b") => 1,
        _ => 1024,
    };
    let total = numbers.first().and_then(|n| size(n, block))?;
    let available = numbers.get(5).and_then(|n| size(n, block))?;
    walk.fact(at..at + 2, Value::Memory(total, available));
    Some(at + 2)
}

#[cfg(test)]
mod tests {
    use defib_model::fact::Value;

    /// What a text says, the commands themselves aside.
    pub(super) fn values(text: &str) -> Vec<Value> {
        super::super::read(text.as_bytes(), 0)
            .facts
            .into_iter()
            .map(|f| f.value)
            .filter(|v| !matches!(v, Value::Ran(_)))
            .collect()
    }

    #[test]
    fn hosts_are_read() {
        let got = values(
            "$ cat /proc/mounts | wc -l\n78897\n$ sysctl fs.mount-max\nfs.mount-max = 100000\n",
        );
        assert_eq!(
            got,
            [
                Value::Mounts(78897),
                Value::Sysctl("fs.mount-max".into(), "100000".into())
            ]
        );
        assert_eq!(
            values(
                "n1 ~]# modprobe br_netfilter\nmodprobe: FATAL: Module br_netfilter not found.\n"
            ),
            [Value::ModuleMissing("br_netfilter".into())]
        );
        assert_eq!(
            values("3.10.0-327.el7.x86_64\n"),
            [Value::Kernel("3.10.0-327.el7.x86_64".into())]
        );
        assert_eq!(values("$ ls /lib/modules\n6.1.0-9-amd64\n"), []);
    }

    #[test]
    fn prose_gives_no_facts() {
        assert_eq!(
            values("The default route was gone.\nI have 3 nodes with v1.30.\nMounted on Sunday\n"),
            []
        );
    }
}
