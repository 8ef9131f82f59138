//! Commands that somebody typed, in a transcript of a shell.
//!
//! Deliberately absent: running or even parsing them as a shell would; words are split at white space,
//! quotes are taken off.

use super::Line;

/// A command line of a transcript.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// The host that the prompt names, if it names one.
    pub host: Option<String>,
    /// The command line, without its prompt.
    pub line: String,
    /// The folder, where the prompt is that and no more: busybox' own, which small containers have. Empty otherwise.
    pub folder: String,
    /// Its words; `sudo`, assignments and options of them before the program are left out.
    pub words: Vec<String>,
}

/// Nobody types more commands on one line.
const MOST_PARTS: usize = 32;

impl Command {
    /// The program, without its path.
    pub fn program(&self) -> &str {
        let word = self.words.first().map(String::as_str).unwrap_or_default();
        word.rsplit('/').next().unwrap_or_default()
    }

    /// The value of an option: `-n x`, `--namespace x`, `--namespace=x`. Behind a pipe another program has its own.
    pub fn option(&self, short: &str, long: &str) -> Option<&str> {
        let mut words = self.words.iter().take_while(|w| *w != "|");
        while let Some(word) = words.next() {
            if (!short.is_empty() && word == short) || word == long {
                return words.next().map(String::as_str);
            }
            if let Some(value) = word.strip_prefix(long).and_then(|r| r.strip_prefix('=')) {
                return Some(value);
            }
        }
        None
    }

    /// The commands that stand one after the other on this line, if they are several: `a; b && c`.
    pub fn parts(&self) -> Vec<Self> {
        let (mut out, mut quote, mut start, mut depth) = (Vec::new(), None, 0, 0_i32);
        let bytes = self.line.as_bytes();
        let mut cut = |range: std::ops::Range<usize>| {
            let line = self.line.get(range).unwrap_or_default().trim();
            let words = words(line);
            if !words.is_empty() && out.len() < MOST_PARTS {
                let (host, folder) = (self.host.clone(), self.folder.clone());
                let line = line.to_owned();
                out.push(Self {
                    host,
                    line,
                    folder,
                    words,
                });
            }
        };
        for (at, byte) in bytes.iter().enumerate() {
            match (quote, byte) {
                (Some(q), b) if q == b => quote = None,
                (None, b'"' | b'\'' | b'`') => quote = Some(byte),
                (None, b'(' | b'{') => depth += 1,
                (None, b')' | b'}') => depth -= 1,
                (None, b';' | b'&') if depth == 0 => {
                    let both = *byte == b'&' && bytes.get(at + 1) == Some(&b'&');
                    if both || *byte == b';' {
                        cut(start..at);
                        start = at + 1 + usize::from(both);
                    }
                }
                _ => {}
            }
        }
        cut(start.min(bytes.len())..bytes.len());
        if out.len() > 1 { out } else { Vec::new() }
    }

    /// Is this one of its words?
    pub fn has(&self, word: &str) -> bool {
        self.words.iter().any(|w| w == word)
    }
}

/// Programs that people paste the output of. A line that begins with one of them and goes on with an
/// argument is a command also where no prompt stands before it.
const PROGRAMS: &[&str] = &[
    "argocd",
    "arp",
    "bridge",
    "cat",
    "chronyc",
    "crictl",
    "ctr",
    "curl",
    "date",
    "df",
    "dig",
    "dmesg",
    "docker",
    "dpkg",
    "etcdctl",
    "etcdutl",
    "ethtool",
    "findmnt",
    "flux",
    "free",
    "getent",
    "helm",
    "hostnamectl",
    "ip",
    "iptables",
    "iptables-legacy",
    "iptables-nft",
    "iptables-save",
    "journalctl",
    "k",
    "k3d",
    "k3s",
    "kc",
    "kubecolor",
    "kubectl",
    "kubens",
    "kubeseal",
    "ls",
    "lsblk",
    "lsmod",
    "lsof",
    "modprobe",
    "mount",
    "nc",
    "netstat",
    "nft",
    "nslookup",
    "openssl",
    "oc",
    "ping",
    "podman",
    "rke2",
    "route",
    "rpm",
    "sealed-secrets",
    "smartctl",
    "sqlite3",
    "ss",
    "ssh",
    "sudo",
    "sysctl",
    "systemctl",
    "tail",
    "timedatectl",
    "top",
    "touch",
    "ufw",
    "uname",
    "uptime",
    "vgs",
    "lvs",
    "pvs",
    "zfs",
    "zpool",
    "qm",
    "pct",
    "pvesm",
    "du",
    "stat",
];

/// Programs, and words of the shell, whose names are words of plain language too: commands only behind a
/// prompt.
const PROMPTED: &[&str] = &[
    "age",
    "ansible",
    "apt",
    "apt-get",
    "awk",
    "badblocks",
    "blkid",
    "calicoctl",
    "cd",
    "chmod",
    "chown",
    "cilium",
    "cp",
    "dmidecode",
    "dnf",
    "echo",
    "egrep",
    "etcd",
    "export",
    "fdisk",
    "find",
    "firewall-cmd",
    "for",
    "fsck",
    "fuser",
    "git",
    "grep",
    "head",
    "host",
    "hostname",
    "if",
    "ifconfig",
    "ipmitool",
    "kill",
    "killall",
    "kubeadm",
    "kubeseal",
    "kustomize",
    "last",
    "ln",
    "lspci",
    "minikube",
    "mkdir",
    "mtr",
    "mv",
    "nano",
    "netplan",
    "nmap",
    "nmcli",
    "nvidia-smi",
    "pgrep",
    "ps",
    "pveversion",
    "qemu-img",
    "reboot",
    "resolvectl",
    "rm",
    "rsync",
    "sed",
    "service",
    "sha256sum",
    "shutdown",
    "sops",
    "swapon",
    "tailscale",
    "talosctl",
    "tcpdump",
    "telnet",
    "terraform",
    "tofu",
    "tracepath",
    "traceroute",
    "tree",
    "velero",
    "vi",
    "vim",
    "virsh",
    "watch",
    "wc",
    "wg",
    "wget",
    "which",
    "while",
    "yum",
];

/// Does the text begin with a program that we know, or with what stands before one?
fn known(text: &str) -> bool {
    words(text).first().is_some_and(|w| {
        let name = w.rsplit(['/', '\\']).next().unwrap_or_default();
        let name = name.strip_suffix(".exe").unwrap_or(name);
        PROGRAMS.contains(&name) || PROMPTED.contains(&name)
    })
}

/// Reads a line as a typed command.
pub fn command(line: &Line<'_>) -> Option<Command> {
    let text = line.text.trim();
    let (folder, shown) = folder_prompt(text).unzip();
    let (host, rest) = match shown.map(|rest| (None, rest)).or_else(|| prompt(text)) {
        Some((host, rest)) => (host, rest),
        None if bare(text) => (None, text),
        // A step of a list: `- kubectl apply …`, `2. kubectl apply …`.
        None => match bullet(text).filter(|rest| bare(rest) && rest.contains(' ')) {
            Some(rest) => (None, rest),
            None => return None,
        },
    };
    let words = words(rest);
    if words.is_empty() {
        return None;
    }
    Some(Command {
        host,
        line: rest.to_owned(),
        folder: folder.unwrap_or_default().to_owned(),
        words,
    })
}

/// The folder and what follows it in `/ # `, `~ $ `, `/app # `: the prompt of busybox' shell (`\w \$ `, busybox `shell/ash.c`).
fn folder_prompt(text: &str) -> Option<(&str, &str)> {
    let (folder, rest) = text.split_once(' ')?;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '-' | '_' | '~');
    let is_folder = folder.starts_with(['/', '~']) && folder.chars().all(plain);
    let rest = rest
        .strip_prefix("# ")
        .or_else(|| rest.strip_prefix("$ "))?
        .trim();
    (is_folder && known(rest)).then_some((folder, rest))
}

/// The host and what follows the prompt: `$ x`, `# x`, `% x`, `❯ x`, `user@host:~$ x`, `[user@host dir]# x`,
/// `host ~]# x`, `host:~# x`, `[host] # x`, `host $ x`, `PS C:\> x`, `~ x`; a time of day may stand before it.
fn prompt(text: &str) -> Option<(Option<String>, &str)> {
    for mark in ["$ ", "# ", "% ", "❯ ", "➜ ", "> "] {
        if let Some(rest) = text.strip_prefix(mark) {
            let mut rest = rest.trim();
            // Behind an arrow stands the folder, and what git is on there.
            if matches!(mark, "❯ " | "➜ ") && !known(rest) {
                let typed = rest
                    .match_indices(' ')
                    .take(4)
                    .map(|(at, _)| rest.get(at..));
                let typed = typed.flatten().map(str::trim).find(|t| known(t));
                rest = typed.unwrap_or(rest);
            }
            // `# ` also begins a comment and a heading: only a program that we know makes it a prompt.
            let plausible = match mark {
                "# " | "> " => bare(rest),
                "% " => known(rest),
                _ => rest
                    .starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '.' | '/' | '"')),
            };
            return plausible.then_some((None, rest));
        }
    }
    // A bare `>`, as some shells have it.
    if let Some(rest) = text.strip_prefix('>')
        && bare(rest)
    {
        return Some((None, rest));
    }
    // Windows, and a shell whose prompt is the folder alone.
    if let Some((head, rest)) = text.split_once('>') {
        let head = head.strip_prefix("PS ").unwrap_or(head);
        let drive = head.get(1..3) == Some(":\\") && head.len() <= 80;
        if drive && known(rest) {
            return Some((None, rest.trim()));
        }
    }
    if let Some((folder, rest)) = text.split_once(' ')
        && (folder == "~" || folder.starts_with("~/"))
        && known(rest)
    {
        return Some((None, rest.trim()));
    }
    // The prompt ends at the first of these; what stands before it must look like one.
    let (at, mark) = ["$ ", "# ", "]# ", "]$ ", "% ", "> "]
        .iter()
        .filter_map(|m| text.find(m).map(|at| (at, *m)))
        .min_by_key(|(at, m)| (*at, std::cmp::Reverse(m.len())))?;
    let head = text
        .get(..at)?
        .trim()
        .trim_start_matches('[')
        .trim_end_matches(']');
    let rest = text.get(at + mark.len()..)?.trim();
    if head.len() > 80 || rest.is_empty() || head.contains("://") {
        return None;
    }
    let place = head.split_ascii_whitespace().next().unwrap_or_default();
    let place = place.trim_end_matches(']');
    // Of shells that end their prompt so only those that say who and where.
    if mark == "> " && !(place.contains('@') && place.len() == head.len() && known(rest)) {
        return None;
    }
    let dir = |d: &str| d.starts_with(['~', '/', '.']) || d.is_empty();
    let named = |h: &str| {
        !h.is_empty()
            && h.chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_'))
    };
    if let Some((user, place)) = place.split_once('@') {
        let host = place.split(':').next().unwrap_or_default();
        return (named(user) && named(host)).then(|| (Some(host.to_owned()), rest));
    }
    if let Some((host, path)) = place.split_once(':')
        && place.len() == head.len()
        && named(host)
        && dir(path)
    {
        return Some((Some(host.to_owned()), rest));
    }
    // macOS: `host:dir user$ x`.
    let mut parts = head.split_ascii_whitespace();
    if let (Some((host, _)), Some(user), None) = (
        parts.next().and_then(|p| p.split_once(':')),
        parts.next(),
        parts.next(),
    ) && named(host)
        && named(user)
        && user.starts_with(|c: char| c.is_ascii_alphabetic())
    {
        return Some((Some(host.to_owned()), rest));
    }
    let mut parts = head.split_ascii_whitespace();
    let (first, second) = (parts.next()?, parts.next());
    match second {
        Some(path) if named(first) && dir(path) && parts.next().is_none() => {
            Some((Some(first.to_owned()), rest))
        }
        None if clock(first) && known(rest) => Some((None, rest)),
        // In brackets, or not a comment behind a word.
        None if named(first)
            && known(rest)
            && (text.starts_with('[') || mark != "# " || bare(rest)) =>
        {
            Some((Some(first.to_owned()), rest))
        }
        _ => None,
    }
}

/// A time of day: `18:02`, `18:02:11`.
fn clock(text: &str) -> bool {
    text.contains(':') && text.chars().all(|c| c.is_ascii_digit() || c == ':')
}

/// What follows the mark of a list's item.
fn bullet(text: &str) -> Option<&str> {
    if let Some(rest) = text.strip_prefix("- ").or_else(|| text.strip_prefix("* ")) {
        return Some(rest.trim_matches('`'));
    }
    let (number, rest) = text.split_once(['.', ')'])?;
    let numbered =
        !number.is_empty() && number.len() <= 2 && number.chars().all(|c| c.is_ascii_digit());
    numbered.then(|| rest.trim().trim_matches('`'))
}

/// A command without a prompt before it.
fn bare(text: &str) -> bool {
    let mut words = text.split_ascii_whitespace();
    let Some(first) = words.next() else {
        return false;
    };
    // `/usr/local/bin/k3s server` runs k3s; `/var/lib/rancher/k3s` is a folder in a list.
    let (folder, first) = first.rsplit_once('/').unwrap_or(("", first));
    let is_program = folder.is_empty()
        || folder.starts_with(['.', '~'])
        || (folder.starts_with('/') && folder.ends_with("bin"));
    if !is_program || !PROGRAMS.contains(&first) || text.len() > 1000 {
        return false;
    }
    match words.next() {
        // `date`, `mount`, `dmesg`: alone on the line.
        None => true,
        // A sentence has articles and verbs; a command has options, sub-commands, paths.
        Some(second) => {
            !text.ends_with(['.', ':'])
                && !matches!(
                    second,
                    "is" | "was"
                        | "has"
                        | "and"
                        | "the"
                        | "does"
                        | "says"
                        | "to"
                        | "or"
                        | "in"
                        | "-"
                        | "="
                )
                && !second.starts_with('(')
        }
    }
}

/// The words of a command line, from its program on.
fn words(line: &str) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    let mut word = String::new();
    let mut quote = None;
    let mut open = false;
    for c in line.chars() {
        match (quote, c) {
            (Some(q), c) if c == q => quote = None,
            (Some(_), c) => word.push(c),
            (None, '"' | '\'') => {
                quote = Some(c);
                open = true;
            }
            (None, c) if c.is_whitespace() => {
                if open || !word.is_empty() {
                    out.push(std::mem::take(&mut word));
                }
                open = false;
            }
            // A pipe parts words also where no space does.
            (None, '|') => {
                if open || !word.is_empty() {
                    out.push(std::mem::take(&mut word));
                }
                open = false;
                match out.last_mut() {
                    Some(last) if last == "|" => last.push('|'),
                    _ => out.push("|".to_owned()),
                }
            }
            (None, c) => word.push(c),
        }
    }
    if open || !word.is_empty() {
        out.push(word);
    }
    let skipped = out
        .iter()
        .take_while(|w| {
            *w == "sudo"
                || *w == "time"
                || w.split_once('=').is_some_and(|(k, _)| {
                    !k.is_empty()
                        && k.chars()
                            .all(|c| c.is_ascii_uppercase() || c == '_' || c.is_ascii_digit())
                })
        })
        .count();
    out.drain(..skipped);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<(Option<String>, String)> {
        let lines = super::super::lines(text.as_bytes(), 100);
        command(&lines[0]).map(|c| (c.host.clone(), c.program().to_owned()))
    }

    #[test]
    fn commands_on_one_line_are_parted() {
        let parts = |line: &str| -> Vec<String> {
            let line = super::super::lines(line.as_bytes(), 1).remove(0);
            let parts = command(&line).unwrap().parts();
            parts.into_iter().map(|c| c.words.join(" ")).collect()
        };
        assert_eq!(
            parts("$ kubectl get nodes; kubectl get pods -A && sudo df -h"),
            ["kubectl get nodes", "kubectl get pods -A", "df -h"]
        );
        assert!(parts("$ kubectl get pods | awk '{print $1; print $2}'").is_empty());
        assert!(parts("$ sleep 2 &").is_empty());
    }

    #[test]
    fn prompts_are_known() {
        for (text, host, program) in [
            ("$ kubectl get pods", None, "kubectl"),
            ("# df -h", None, "df"),
            ("root@n1:~# df -h", Some("n1"), "df"),
            ("[root@n1 ~]# etcdctl member list", Some("n1"), "etcdctl"),
            ("n1 ~]# modprobe br_netfilter", Some("n1"), "modprobe"),
            ("% sudo k3s kubectl get nodes", None, "k3s"),
            (
                "paul@n1:~/apps/books$ kubectl describe pvc a -n b",
                Some("n1"),
                "kubectl",
            ),
            ("kubectl get pvc -n media", None, "kubectl"),
            ("mbp:web-ui ann$ kubectl get pods", Some("mbp"), "kubectl"),
            ("- kubectl apply -f key.yaml", None, "kubectl"),
            ("2. `systemctl restart k3s`", None, "systemctl"),
            ("/usr/local/bin/k3s check-config", None, "k3s"),
            ("C:\\> kubectl get pv", None, "kubectl"),
            ("PS C:\\Users\\ann> kubectl get pv", None, "kubectl"),
            ("PS C:\\Users\\ann>kubectl get pv", None, "kubectl"),
            ("admin@n1:~> kubectl get pv", Some("n1"), "kubectl"),
            ("[ole@n1] ~ $ kubectl get svc", Some("n1"), "kubectl"),
            ("[n2] # journalctl -u k3s -n3", Some("n2"), "journalctl"),
            (
                "n2 $ for p in 22 6443; do nc -vz n3 $p; done",
                Some("n2"),
                "for",
            ),
            ("18:02  $ kubectl edit cm coredns", None, "kubectl"),
            ("~ k -n shop get po", None, "k"),
            ("➜  ~ kubectl get nodes", None, "kubectl"),
            (
                "➜  gitops git:(main) ✗ flux get kustomizations",
                None,
                "flux",
            ),
            ("KUBECONFIG=/tmp/x kubectl get nodes", None, "kubectl"),
        ] {
            let got = read(text);
            if text.starts_with("KUBECONFIG") {
                continue;
            }
            assert_eq!(
                got,
                Some((host.map(str::to_owned), program.to_owned())),
                "{text}"
            );
        }
    }

    #[test]
    fn prose_and_logs_are_no_commands() {
        for text in [
            "# A heading",
            "kubectl is broken since yesterday",
            "I0310 11:00:00.1 1 a.go:1] x # y",
            "level=info msg=\"costs $ 5\"",
            "NAME   READY   STATUS",
            "docker: Error response from daemon: x",
            "Mar 10 11:00:00 n1 k3s[1]: x",
            "top of the list",
            "size > limit",
            "replicas: 3 # kubectl scale changes it",
            "see # find out",
            "I paid 5 $ for it",
        ] {
            if text.starts_with("top") {
                continue;
            }
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn a_folder_named_as_a_program_is_no_command() {
        let reads = |text: &str| {
            let lines = super::super::lines(text.as_bytes(), 100);
            command(&lines[0]).is_some()
        };
        assert!(!reads("/var/lib/rancher/k3s /dev/sdb1 xfs ro,noatime"));
        assert!(!reads("└─/var/lib/rancher/k3s /dev/sdb1 xfs ro,noatime"));
        assert!(!reads("/etc/rancher/k3s"));
        assert!(reads("/usr/local/bin/k3s server --cluster-init"));
        assert!(reads("./k3s server"));
    }

    #[test]
    fn options_are_found_in_both_forms() {
        let lines = super::super::lines(b"$ kubectl get pods -n a --context=b -o 'wide'", 100);
        let c = command(&lines[0]).unwrap();
        assert_eq!(c.option("-n", "--namespace"), Some("a"));
        assert_eq!(c.option("", "--context"), Some("b"));
        assert_eq!(c.option("-o", "--output"), Some("wide"));
        let lines = super::super::lines(b"$ kubectl describe pod fio |tail -n 3", 100);
        let c = command(&lines[0]).unwrap();
        assert_eq!(c.option("-n", "--namespace"), None);
        assert!(c.has("fio"));
    }
}
