//! What programs of a host print: file systems, routes, sockets, modules, units, certificates, clocks.
//!
//! Sources: GNU coreutils (df, ls, date), util-linux (lsblk, mount), iproute2, net-tools, procps, kmod,
//! systemd, OpenSSL `apps/x509.c`, sqlite3's shell.
//! Deliberately absent: judgement, and forms that nobody pastes.

use defib_model::fact::{Certificate, FileSystem, Route, Value};

use super::Walk;

pub(super) fn read(walk: &mut Walk<'_>, at: usize) -> Option<usize> {
    let text = walk.text(at).trim().to_owned();
    df(walk, at, &text)
        .or_else(|| certificate(walk, at, &text))
        .or_else(|| listing(walk, at, &text))
        .or_else(|| memory(walk, at, &text))
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
        .or_else(|| counted(walk, text))
        .or_else(|| kernel(walk, text))
        .or_else(|| clock(walk, text))
        .or_else(|| version(text))
        .or_else(|| database(walk, text))
}

fn percent(text: &str) -> Option<u64> {
    text.strip_suffix('%')?.parse().ok()
}

/// `3.2G`, `881M`, `8086124` (in units of `block`).
fn size(text: &str, block: u64) -> Option<u64> {
    let cut = text
        .find(|c: char| !(c.is_ascii_digit() || c == '.' || c == ','))
        .unwrap_or(text.len());
    let number: f64 = text.get(..cut)?.replace(',', ".").parse().ok()?;
    let factor = match text.get(cut..)?.trim_end_matches('B').trim_end_matches('i') {
        "" if text.ends_with('B') => 1.0,
        "" => block as f64,
        "K" | "k" => 1024.0,
        "M" => 1024f64.powi(2),
        "G" => 1024f64.powi(3),
        "T" => 1024f64.powi(4),
        "P" => 1024f64.powi(5),
        _ => return None,
    };
    Some((number * factor) as u64)
}

/// `Filesystem … Mounted on` and its rows; also `-T` and `-i`.
fn df(walk: &mut Walk<'_>, at: usize, text: &str) -> Option<usize> {
    if !(text.starts_with("Filesystem") && text.contains("Mounted on")) {
        return None;
    }
    let inodes = text.contains("IUse%") || text.contains("Inodes");
    let block = if text.contains("512-blocks") {
        512
    } else {
        1024
    };
    let mut end = at + 1;
    while walk.is_output(end) {
        let words: Vec<String> = walk
            .text(end)
            .split_ascii_whitespace()
            .map(str::to_owned)
            .collect();
        // From the right: the mount point, the share, then free, used and size.
        let share = words.iter().position(|w| percent(w).is_some() || w == "-");
        let Some(share) = share.filter(|s| *s >= 3 && s + 1 < words.len()) else {
            break;
        };
        let target = words.get(share + 1..).unwrap_or_default().join(" ");
        let used = words.get(share).and_then(|w| percent(w)).unwrap_or(0);
        let value = if inodes {
            Value::Inodes(target, used)
        } else {
            Value::FileSystem(FileSystem {
                source: words.first().cloned().unwrap_or_default(),
                target,
                size: words
                    .get(share - 3)
                    .and_then(|w| size(w, block))
                    .unwrap_or(0),
                available: words
                    .get(share - 1)
                    .and_then(|w| size(w, block))
                    .unwrap_or(0),
                used,
            })
        };
        walk.fact(end..end + 1, value);
        end += 1;
    }
    Some(end)
}

/// `default via 10.0.0.1 dev eth0`, `nexthop via …`, `10.0.0.0/24 dev eth0`; also the table of `route -n`.
fn route(walk: &Walk<'_>, at: usize, text: &str) -> Option<Value> {
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    let after = |w: &str| {
        words
            .iter()
            .position(|x| *x == w)
            .and_then(|i| words.get(i + 1))
            .map(|s| (*s).to_owned())
            .unwrap_or_default()
    };
    let first = *words.first()?;
    let asked = walk
        .command
        .as_ref()
        .is_some_and(|c| matches!(c.program(), "ip" | "route" | "netstat"));
    if first == "nexthop" && words.contains(&"dev") {
        return Some(Value::Route(Route {
            to: "default".to_owned(),
            via: after("via"),
            dev: after("dev"),
            multipath: true,
        }));
    }
    let network = first == "default"
        || (first.contains('/') && first.starts_with(|c: char| c.is_ascii_digit()));
    if network && (words.contains(&"dev") || (first == "default" && words.len() == 1 && asked)) {
        // `default` alone heads a list of next hops.
        if words.len() == 1 && !walk.text(at + 1).trim_start().starts_with("nexthop") {
            return None;
        }
        return Some(Value::Route(Route {
            to: first.to_owned(),
            via: after("via"),
            dev: after("dev"),
            multipath: false,
        }));
    }
    // `0.0.0.0  10.0.0.1  0.0.0.0  UG  100 0 0 eth0`
    if words.len() == 8 && words.get(3).is_some_and(|f| f.starts_with('U')) && first.contains('.') {
        let to = if first == "0.0.0.0" { "default" } else { first };
        return Some(Value::Route(Route {
            to: to.to_owned(),
            via: (*words.get(1)?).to_owned(),
            dev: (*words.get(7)?).to_owned(),
            multipath: false,
        }));
    }
    None
}

/// `inet 10.0.0.1/24 brd … scope global eth0`.
fn address(walk: &Walk<'_>, at: usize, text: &str) -> Option<Value> {
    // `ip -br addr`: `eno1  UP  10.0.0.5/24 fe80::1/64`.
    let cells: Vec<&str> = text.split_ascii_whitespace().collect();
    if let [interface, "UP" | "DOWN" | "UNKNOWN", first, ..] = cells.as_slice()
        && walk.ran("ip").is_some()
    {
        let (ip, length) = first.split_once('/')?;
        let interface = interface.split('@').next().unwrap_or_default();
        return Some(Value::Address(
            interface.to_owned(),
            ip.to_owned(),
            length.parse().ok()?,
        ));
    }
    let rest = text
        .strip_prefix("inet ")
        .or_else(|| text.strip_prefix("inet6 "))?;
    let mut words = rest.split_ascii_whitespace();
    let (ip, length) = words.next()?.split_once('/')?;
    // The interface ends the line in `ip addr`; else it heads the paragraph.
    let last = rest.split_ascii_whitespace().last()?;
    let interface = if last.contains(['.', ':', '/']) || last == "forever" {
        (0..at)
            .rev()
            .map(|i| walk.text(i))
            .find(|t| t.starts_with(|c: char| c.is_ascii_digit()))
            .and_then(|t| t.split(": ").nth(1))
            .unwrap_or_default()
            .to_owned()
    } else {
        last.to_owned()
    };
    Some(Value::Address(
        interface,
        ip.to_owned(),
        length.parse().ok()?,
    ))
}

/// A row of `ss -ltnp` or `netstat -tulpn`.
fn listens(text: &str) -> Option<Value> {
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    let first = *words.first()?;
    let is_socket = matches!(first, "tcp" | "tcp6" | "udp" | "udp6" | "LISTEN") && words.len() >= 5;
    if !is_socket || !(words.contains(&"LISTEN") || first.starts_with("udp")) {
        return None;
    }
    let local = words.iter().skip(1).find(|w| {
        w.rsplit_once(':')
            .is_some_and(|(_, p)| p.parse::<u16>().is_ok())
    })?;
    let port = local.rsplit_once(':')?.1.parse().ok()?;
    let program = match text.split_once("users:((\"") {
        Some((_, rest)) => rest.split('"').next().unwrap_or_default().to_owned(),
        None => words
            .iter()
            .find_map(|w| {
                let (pid, name) = w.split_once('/')?;
                pid.parse::<u32>()
                    .ok()
                    .map(|_| name.trim_end_matches(':').to_owned())
            })
            .unwrap_or_default(),
    };
    Some(Value::Listens {
        local: (*local).to_owned(),
        port,
        program,
    })
}

/// `modprobe: FATAL: Module br_netfilter not found in directory /lib/modules/…`.
fn module(text: &str) -> Option<Value> {
    let (_, rest) = text.split_once("modprobe: FATAL: Module ")?;
    let name = rest.split(' ').next()?;
    rest.contains("not found")
        .then(|| Value::ModuleMissing(name.trim_end_matches('.').to_owned()))
}

/// `fs.mount-max = 100000`.
fn sysctl(text: &str) -> Option<Value> {
    let (name, value) = text.split_once(" = ")?;
    let known = ["fs.", "net.", "vm.", "kernel.", "user."];
    (known.iter().any(|k| name.starts_with(k)) && !name.contains(' '))
        .then(|| Value::Sysctl(name.to_owned(), value.trim().to_owned()))
}

/// `/dev/sda1 on / type ext4 (rw,relatime)`.
fn mount(walk: &Walk<'_>, text: &str) -> Option<Value> {
    if let Some((source, rest)) = text.split_once(" on ")
        && let Some((target, rest)) = rest.split_once(" type ")
        && let Some((fstype, options)) = rest.split_once(" (")
    {
        return Some(Value::Mount {
            source: source.to_owned(),
            target: target.to_owned(),
            fstype: fstype.to_owned(),
            options: options.trim_end_matches(')').to_owned(),
        });
    }
    // /proc/mounts: six fields, the last two numbers.
    let asked = walk
        .command
        .as_ref()
        .is_some_and(|c| c.line.contains("/proc/mounts") || c.line.contains("/etc/mtab"));
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    if asked && words.len() == 6 && words.get(1).is_some_and(|t| t.starts_with('/')) {
        return Some(Value::Mount {
            source: (*words.first()?).to_owned(),
            target: (*words.get(1)?).to_owned(),
            fstype: (*words.get(2)?).to_owned(),
            options: (*words.get(3)?).to_owned(),
        });
    }
    None
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

/// What `date` prints: `Sat Jun 13 15:19:21 UTC 2019`, ISO forms, and timedatectl's universal time.
fn clock(walk: &Walk<'_>, text: &str) -> Option<Value> {
    if let Some(rest) = text.strip_prefix("Universal time: ") {
        let t = rest.trim().trim_end_matches(" UTC");
        let parsed = jiff::civil::DateTime::strptime("%a %Y-%m-%d %H:%M:%S", t).ok()?;
        return parsed
            .to_zoned(jiff::tz::TimeZone::UTC)
            .ok()
            .map(|z| Value::Clock(z.timestamp()));
    }
    date(text)
        .filter(|_| {
            walk.command
                .as_ref()
                .is_none_or(|c| c.line.contains("date"))
        })
        .map(Value::Clock)
}

/// A line that is a date of `date` and nothing else.
fn date(text: &str) -> Option<jiff::Timestamp> {
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    let days = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
    if !(5..=7).contains(&words.len())
        || !words
            .first()
            .is_some_and(|w| days.contains(&w.trim_end_matches(',')))
    {
        return None;
    }
    // The weekday is not believed: it may not fit, and nothing hangs on it.
    let month = words.iter().position(|w| {
        [
            "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
        ]
        .contains(w)
    })?;
    let time = words.iter().find(|w| w.matches(':').count() == 2)?;
    let year = words
        .iter()
        .find(|w| w.len() == 4 && w.parse::<u32>().is_ok())?;
    let day = words
        .get(month + 1)
        .filter(|w| w.len() <= 2)
        .or_else(|| words.get(month.checked_sub(1)?))?;
    let civil = jiff::civil::DateTime::strptime(
        "%b %d %H:%M:%S %Y",
        format!("{} {day} {time} {year}", words.get(month)?),
    )
    .ok()?;
    // A zone of letters has many meanings: it is read as UTC, and nothing finer than a day hangs on it.
    civil
        .to_zoned(jiff::tz::TimeZone::UTC)
        .ok()
        .map(|z| z.timestamp())
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

/// What `systemctl is-active A B` prints: a word for each, in this order.
fn active(walk: &mut Walk<'_>, at: usize, text: &str) -> Option<usize> {
    let states = ["active", "inactive", "failed", "activating", "deactivating"];
    if !states.contains(&text) {
        return None;
    }
    let command = walk.ran("systemctl")?;
    let from = command.words.iter().position(|w| w == "is-active")? + 1;
    let names: Vec<String> = command
        .words
        .get(from..)?
        .iter()
        .take_while(|w| !w.starts_with(['|', ';', '&', '>']))
        .filter(|w| !w.starts_with('-'))
        .cloned()
        .collect();
    let mut end = at;
    for name in names {
        let state = walk.text(end).trim().to_owned();
        if !states.contains(&state.as_str()) {
            break;
        }
        let value = Value::Unit {
            name,
            active: state,
            sub: String::new(),
            result: String::new(),
        };
        walk.fact(end..end + 1, value);
        end += 1;
    }
    (end > at).then_some(end)
}

/// `● k3s.service - …` with its `Active:` line, and the fields of `systemctl show`.
fn unit(walk: &mut Walk<'_>, at: usize, text: &str) -> Option<usize> {
    if let Some(end) = active(walk, at, text) {
        return Some(end);
    }
    let (state, line) = if let Some(rest) = text.strip_prefix("Active: ") {
        (rest.to_owned(), at)
    } else {
        return None;
    };
    let name = (0..at)
        .rev()
        .take(12)
        .map(|i| walk.text(i).trim())
        .find_map(|t| {
            let t = t.trim_start_matches(['●', '○', '×', '*', ' ']);
            let first = t.split_ascii_whitespace().next()?;
            first.ends_with(".service").then(|| first.to_owned())
        })
        .or_else(|| {
            let c = walk.ran("systemctl")?;
            c.words.last().cloned()
        })
        .unwrap_or_default();
    let active = state
        .split([' ', '('])
        .next()
        .unwrap_or_default()
        .to_owned();
    let inner = state
        .split_once('(')
        .and_then(|(_, r)| r.split_once(')'))
        .map(|(s, _)| s.to_owned())
        .unwrap_or_default();
    let (sub, result) = match inner.split_once("Result: ") {
        Some((sub, result)) => (
            sub.trim().trim_end_matches(',').to_owned(),
            result.to_owned(),
        ),
        None => (inner, String::new()),
    };
    walk.fact(
        line..line + 1,
        Value::Unit {
            name,
            active,
            sub,
            result,
        },
    );
    Some(line + 1)
}

/// A row of `ls -l`: mode, links, owner, group, size, date, name.
fn listing(walk: &mut Walk<'_>, at: usize, text: &str) -> Option<usize> {
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    let mode = *words.first()?;
    let is_mode = mode.len() >= 10
        && mode.starts_with(['-', 'd', 'l'])
        && mode
            .chars()
            .skip(1)
            .take(9)
            .all(|c| matches!(c, 'r' | 'w' | 'x' | '-' | 's' | 't' | 'S' | 'T'));
    if !is_mode || words.len() < 8 {
        return None;
    }
    let bytes = size(words.get(4)?, 1)?;
    let name = words
        .get(8..)
        .filter(|n| !n.is_empty())
        .unwrap_or(words.get(7..)?)
        .join(" ");
    let folder = walk
        .ran("ls")
        .and_then(|c| {
            c.words
                .iter()
                .skip(1)
                .find(|w| !w.starts_with('-'))
                .cloned()
        })
        .unwrap_or_default();
    let path = if name.starts_with('/') || folder.is_empty() {
        name
    } else {
        format!("{}/{name}", folder.trim_end_matches('/'))
    };
    let date = words.get(5..8).unwrap_or_default().join(" ");
    walk.fact(
        at..at + 1,
        Value::File {
            path,
            size: bytes,
            mode: mode.to_owned(),
            date,
        },
    );
    Some(at + 1)
}

/// `Certificate:` of `openssl x509 -text`, or its short lines (`subject=`, `notAfter=`, `… Fingerprint=`).
fn certificate(walk: &mut Walk<'_>, at: usize, text: &str) -> Option<usize> {
    let starts = text == "Certificate:"
        || text.starts_with("subject=")
        || text.starts_with("issuer=")
        || text.starts_with("notBefore=")
        || text.starts_with("notAfter=")
        || text.contains("Fingerprint=");
    if !starts {
        return None;
    }
    let mut c = Certificate {
        path: walk
            .ran("openssl")
            .and_then(|c| c.option("-in", "-in").map(str::to_owned))
            .unwrap_or_default(),
        peer: super::reach::shown_by(walk, at).unwrap_or_default(),
        ..Certificate::default()
    };
    let mut end = at;
    let long = text == "Certificate:";
    while walk.is_output(end) {
        let line = walk.text(end).trim().to_owned();
        let value = |mark: &str| line.strip_prefix(mark).map(|v| v.trim().to_owned());
        if let Some(v) = value("subject=").or_else(|| value("Subject:")) {
            if !c.subject.is_empty() && !long {
                break;
            }
            c.subject = v;
        } else if let Some(v) = value("issuer=").or_else(|| value("Issuer:")) {
            c.issuer = v;
        } else if let Some(v) = value("notBefore=").or_else(|| value("Not Before:")) {
            c.from = openssl_time(&v);
        } else if let Some(v) = value("notAfter=").or_else(|| value("Not After :")) {
            c.until = openssl_time(&v);
        } else if let Some((_, v)) = line.split_once("Fingerprint=") {
            c.fingerprint = v.trim().to_owned();
        } else if line.starts_with("DNS:") || line.starts_with("IP Address:") {
            c.names = line
                .split(", ")
                .filter_map(|n| n.split_once(':').map(|(_, v)| v.to_owned()))
                .collect();
        } else if !long {
            break;
        }
        end += 1;
    }
    let end = end.max(at + 1);
    walk.fact(at..end.min(at + 6), Value::Certificate(Box::new(c)));
    Some(end)
}

/// `Mar 10 11:00:00 2026 GMT`.
fn openssl_time(text: &str) -> Option<jiff::Timestamp> {
    let plain = text.trim().trim_end_matches(" GMT");
    let plain = plain.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
    jiff::civil::DateTime::strptime("%b %d %H:%M:%S %Y", plain)
        .ok()?
        .to_zoned(jiff::tz::TimeZone::UTC)
        .ok()
        .map(|z| z.timestamp())
}

#[cfg(test)]
mod tests {
    use defib_model::fact::Value;

    fn values(text: &str) -> Vec<Value> {
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
            "$ df -h\nFilesystem      Size  Used Avail Use% Mounted on\n/dev/sda1       100G   99G  1.0G  99% /\n",
        );
        assert!(
            matches!(&got[0], Value::FileSystem(f) if f.target == "/" && f.used == 99 && f.available == 1 << 30),
            "{got:?}"
        );
        let got = values(
            "# ip ro\ndefault \n\tnexthop via 192.0.2.1 dev eth1 weight 1 \n\tnexthop via 192.0.2.2 dev eth1 weight 1 \n",
        );
        assert!(
            matches!(&got[0], Value::Route(r) if r.to == "default" && r.dev.is_empty()),
            "{got:?}"
        );
        assert!(matches!(&got[1], Value::Route(r) if r.multipath && r.dev == "eth1"));
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
            values("Tue Mar 10 11:00:00 UTC 2026\n"),
            [Value::Clock("2026-03-10T11:00:00Z".parse().unwrap())]
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
        let got = values("tcp6  0  0 :::6443  :::*  LISTEN  812/k3s server\n");
        assert!(
            matches!(&got[0], Value::Listens { port: 6443, program, .. } if program == "k3s"),
            "{got:?}"
        );
        let got = values(
            "● k3s.service - Lightweight Kubernetes\n     Loaded: loaded\n     Active: activating (auto-restart) (Result: exit-code) since Tue\n",
        );
        assert!(
            matches!(&got[0], Value::Unit { name, active, .. } if name == "k3s.service" && active == "activating"),
            "{got:?}"
        );
    }

    #[test]
    fn units_and_addresses_in_brief() {
        let got = values("$ systemctl is-active firewalld k3s\nactive\ninactive\n");
        assert!(
            matches!(&got[..], [Value::Unit { name: a, active: x, .. }, Value::Unit { name: b, active: y, .. }]
                if a == "firewalld" && x == "active" && b == "k3s" && y == "inactive"),
            "{got:?}"
        );
        assert_eq!(
            values("# ip -4 -br a\neno1             UP             10.9.1.5/16\n"),
            [Value::Address("eno1".into(), "10.9.1.5".into(), 16)]
        );
    }

    #[test]
    fn prose_gives_no_facts() {
        assert_eq!(
            values("The default route was gone.\nI have 3 nodes with v1.30.\nMounted on Sunday\n"),
            []
        );
    }
}
