//! What lies beside a cluster's objects: exports of the journal, logs of several clocks, files of a host.
//! Constructed after systemd's JOURNAL_EXPORT_FORMATS and k3s' own lines.
#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

mod folder;

use defib_model::report::Report;
use folder::diagnose;

const NO_ROUTE: &str = "no default routes found in /proc/net/route";

fn classes(report: &Report) -> Vec<&str> {
    report
        .root_causes
        .iter()
        .map(|c| c.class.as_str())
        .collect()
}

fn exported(message: &[u8]) -> Vec<u8> {
    let mut out =
        b"__CURSOR=s=1\n__REALTIME_TIMESTAMP=1795247596000000\n_HOSTNAME=n3\nMESSAGE\n".to_vec();
    out.extend((message.len() as u64).to_le_bytes());
    out.extend(message);
    out.extend(b"\nSYSLOG_IDENTIFIER=k3s\n\n");
    out
}

#[test]
fn an_export_with_binary_messages_is_read_and_cleaned() {
    let said = format!("level=fatal msg=\"{NO_ROUTE}\"\nK3S_TOKEN=canary-0200-Pw\n\u{1b}[0m");
    let report = diagnose(&[("journal.export", &exported(said.as_bytes()))]);
    assert_eq!(classes(&report), ["no-default-route"]);
    let shown = serde_json::to_string(&report).unwrap();
    assert!(
        shown.contains("host/n3") && !shown.contains("canary-0200"),
        "{shown}"
    );
}

#[test]
fn a_journal_of_its_own_form_is_a_gap_that_says_what_to_do() {
    let mut journal = b"LPKSHHRH".to_vec();
    journal.extend([0; 400]);
    let report = diagnose(&[("system.journal", &journal)]);
    let shown = serde_json::to_string(&report).unwrap();
    assert!(
        shown.contains("journalctl --file FILE -o export"),
        "{shown}"
    );
}

/// Of two logs whose times can't be compared neither is history, and the report says so.
#[test]
fn what_cannot_be_ordered_is_called_unordered() {
    let failed =
        format!("Mar 10 11:00:00 n3 k3s[812]: E0310 11:00:00.000001 812 a.go:1] {NO_ROUTE}\n");
    let up = "time=\"2026-03-10T12:00:31Z\" level=info msg=\"k3s is up and running\"\n";
    let iso = format!("2026-03-10T12:00:31+0000 n3 k3s[912]: {up}");
    let report = diagnose(&[("a.log", failed.as_bytes()), ("b.log", iso.as_bytes())]);
    assert_eq!(classes(&report), ["no-default-route"]);
    assert!(
        serde_json::to_string(&report)
            .unwrap()
            .contains("unordered")
    );
    // journald's own stamp stands in both.
    let short = format!("Mar 10 12:00:31 n3 k3s[912]: {up}");
    let report = diagnose(&[("a.log", failed.as_bytes()), ("b.log", short.as_bytes())]);
    assert!(classes(&report).is_empty(), "{:?}", classes(&report));
    // Over New Year.
    let failed = failed.replace("Mar 10", "Dec 31");
    let short = short.replace("Mar 10", "Jan 01");
    let report = diagnose(&[("a.log", failed.as_bytes()), ("b.log", short.as_bytes())]);
    assert!(classes(&report).is_empty(), "{:?}", classes(&report));
    let report = diagnose(&[
        ("a.log", failed.replace("Dec 31", "Jan 02").as_bytes()),
        ("b.log", short.replace("Jan 01", "Dec 31").as_bytes()),
    ]);
    assert_eq!(classes(&report), ["no-default-route"]);
}

/// Secrets of configuration files are in no report, whatever is read of the files.
#[test]
fn settings_are_cited_without_their_secrets() {
    let registries = "mirrors:\n  docker.io:\n    endpoint:\n      - \"https://u:canary-0201-Pw@mirror.example:5000\"\nconfigs:\n  \"mirror.example:5000\":\n    auth: {username: u, password: canary-0202-Pw}\n";
    let unit = "[Service]\nExecStart=/usr/local/bin/k3s \\\n    server \\\n\t'--flannel-iface=eth1' \\\n\t'--token' \\\n\t'canary-0203-Pw' \\\n";
    let log = "Mar 10 11:00:00 n3 k3s[812]: time=\"2026-03-10T11:00:00Z\" level=fatal msg=\"interface eth1 does not have a correct global unicast ip: route ip+net: no such network interface\"\n";
    let report = diagnose(&[
        ("registries.yaml", registries.as_bytes()),
        ("k3s.service", unit.as_bytes()),
        ("k3s.log", log.as_bytes()),
    ]);
    assert_eq!(classes(&report), ["flannel-iface-unusable"]);
    let shown = serde_json::to_string(&report).unwrap();
    assert!(
        shown.contains("--flannel-iface=eth1") && !shown.contains("canary-02"),
        "{shown}"
    );
}

/// Where k3s' own words are lost, systemd's are left: it does not stay up, and a host is asked, of which no API knows.
#[test]
fn what_systemd_says_of_k3s_is_a_symptom() {
    let ends = |report: &Report| {
        let kinds = report.symptoms.iter().map(|s| s.condition.clone());
        kinds.collect::<Vec<_>>()
    };
    let counter = "2026-03-10T03:00:06+00:00 n1 systemd[1]: k3s.service: Scheduled restart job, restart counter is at 6812.\n";
    let report = diagnose(&[("a.log", counter.as_bytes())]);
    assert_eq!(ends(&report), ["service-failing"]);
    let question = report.question.unwrap();
    let command = question.command.unwrap();
    assert!(command.starts_with("journalctl -u k3s "), "{command}");
    // It came up, as k3s itself says.
    let up = "2026-03-10T03:00:31+00:00 n1 k3s[912]: time=\"2026-03-10T03:00:31Z\" level=info msg=\"k3s is up and running\"\n";
    let report = diagnose(&[("a.log", format!("{counter}{up}").as_bytes())]);
    assert!(ends(&report).is_empty(), "{:?}", report.symptoms);
    let shown = |restarts: u32| {
        let text = format!(
            "root@n1:~# systemctl show k3s -p NRestarts -p ActiveState\nNRestarts={restarts}\nActiveState=active\n"
        );
        ends(&diagnose(&[("shown.txt", text.as_bytes())]))
    };
    assert_eq!(shown(6812), ["service-failing"]);
    assert!(shown(3).is_empty());
    // Another's unit is another's matter.
    let other = counter.replace("k3s.service", "backup.service");
    assert!(ends(&diagnose(&[("a.log", other.as_bytes())])).is_empty());
}

/// A file of a host that a terminal showed is of the host that the prompt names; what somebody copied is nobody's.
#[test]
fn what_a_terminal_shows_is_of_its_host() {
    let line = format!("E0310 11:00:00.000001 812 a.go:1] {NO_ROUTE}\n");
    let of = |text: String| {
        let report = diagnose(&[("terminal.txt", text.as_bytes())]);
        let found = report.root_causes.iter().map(|c| c.entity.to_string());
        found.collect::<Vec<_>>()
    };
    let log = "/var/log/k3s.log";
    assert_eq!(of(format!("root@n2:~# tail {log}\n{line}")), ["host/n2"]);
    assert_eq!(of(format!("root@n2:~# cat n3/k3s.log\n{line}")), ["host/-"]);
    let both = format!("root@n2:~# tail {log}\n{line}root@n3:~# tail {log}\n{line}");
    assert_eq!(of(both), ["host/-"]);
}

/// People look, mend, and look again: of a unit the last state counts.
#[test]
fn a_unit_that_was_mended_is_no_trouble() {
    let shown = |state: &str| {
        format!(
            "root@n1:~# systemctl status k3s\n● k3s.service - Lightweight Kubernetes\n     Active: {state} since Mon 2026-11-23 02:08:00 UTC; 3s ago\n"
        )
    };
    let (failed, runs) = (
        shown("failed (Result: exit-code)"),
        shown("active (running)"),
    );
    let troubles = |text: String| {
        diagnose(&[("terminal.txt", text.as_bytes())])
            .symptoms
            .len()
    };
    assert_eq!(troubles(format!("{failed}{runs}")), 0);
    assert_eq!(troubles(format!("{runs}{failed}")), 1);
}
