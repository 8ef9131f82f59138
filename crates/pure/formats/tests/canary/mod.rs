//! Shapes in which secrets stand in evidence, each with the needle that must be found nowhere.
//!
//! Shared by the tests of the redactor and those of the whole program. All values are invented.
//! Deliberately absent: what the redactor does about them.

/// One shape.
pub struct Canary {
    /// What it is.
    pub name: &'static str,
    /// The text as somebody would meet it.
    pub text: String,
    /// What must not be found afterwards.
    pub needles: Vec<String>,
}

fn one(name: &'static str, text: &str, needles: &[&str]) -> Canary {
    for needle in needles {
        assert!(
            text.contains(needle),
            "{name}: the needle {needle} is not in the text"
        );
    }
    Canary {
        name,
        text: text.to_owned(),
        needles: needles.iter().map(|n| (*n).to_owned()).collect(),
    }
}

const HEX64: &str = "3f1c0b5d7e9a2c4f6b8d0e1f3a5c7e9b1d3f5a7c9e0b2d4f6a8c0e2f4b6d8a0c";
/// A Secret, packed as wrangler packs it, and some of its letters from both ends.
pub const PACKED: &str = "H4sIAAAAAAAA/6tWSizIDEstKs7Mz1OyUlAqM1TSUVBKSSxJBPKqlQoSi4vL84tSQFKRRm6lkRFepj4hjlW+Lo62SrVAldmZeWDJ4NTkotQSkN7c1JJEuP68xNxUkHRKEkgKxCsuSEyGCKWmJZbmlIBNKaksAIv5FyQWlqYq1QIAEe+RcpYAAAA";
const PACKED_HEAD: &str = "6tWSizIDEstKs7Mz1OyUlAq";
const PACKED_TAIL: &str = "QWlqYq1QIAEe";
/// Invented bytes in the look of a key's body.
const BODY: &str = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7canaryKEYbody";
const BODY2: &str = "Zm9vYmFyY2FuYXJ5c2Vjb25kbGluZW9mdGhla2V5Ym9keTAxMjM0NTY3ODlhYmNk";

fn pem(kind: &str, indent: &str, end: &str) -> String {
    format!(
        "{indent}-----BEGIN {kind}-----{end}{indent}{BODY}{end}{indent}{BODY2}{end}{indent}-----END {kind}-----{end}"
    )
}

fn base64(text: &str) -> String {
    const SET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in text.as_bytes().chunks(3) {
        let n = chunk.iter().fold(0u32, |n, b| n << 8 | u32::from(*b)) << (8 * (3 - chunk.len()));
        for i in 0..4 {
            if i <= chunk.len() {
                out.push(char::from(SET[(n >> (18 - 6 * i)) as usize & 63]));
            } else {
                out.push('=');
            }
        }
    }
    out
}

fn wrap(text: &str, columns: usize, indent: &str) -> String {
    text.as_bytes()
        .chunks(columns)
        .map(|c| format!("{indent}{}\n", String::from_utf8_lossy(c)))
        .collect()
}

/// All shapes.
pub fn all() -> Vec<Canary> {
    let jwt = "eyJhbGciOiJSUzI1NiIsImtpZCI6ImNhbmFyeSJ9.eyJpc3MiOiJrdWJlcm5ldGVzL3NlcnZpY2VhY2NvdW50In0.c2lnbmF0dXJlLWNhbmFyeS1qd3Q";
    let pem_base64 = base64(&pem("RSA PRIVATE KEY", "", "\n"));
    let pem_middle = &pem_base64[40..80].to_owned();
    let both = base64(&format!(
        "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n{}",
        pem("EC PRIVATE KEY", "", "\n")
    ));
    let both_middle = &both[120..150].to_owned();
    let wrapped = wrap(&pem_base64, 64, "    ");
    let age = "AGE-SECRET-KEY-1CANARYQ0Q0Q0Q0Q0Q0Q0Q0Q0Q0Q0Q0Q0Q0Q0Q0Q0Q0Q0Q0Q0Q0Q0QCANARY";
    let age_base64 = base64(&format!("# created\n{age}\n"));
    let docker = r#"{"auths":{"registry.example":{"username":"robot","password":"docker-Pw-7781","auth":"cm9ib3Q6ZG9ja2VyLVB3LTc3ODE="}}}"#;
    let docker_base64 = base64(docker);
    let k10 = format!("K10{HEX64}::server:k3s-Canary-0001");
    let gcp = format!(
        "{{\"type\":\"service_account\",\"private_key_id\":\"x\",\"private_key\":\"{}\",\"client_email\":\"a@b\"}}",
        pem("PRIVATE KEY", "", "\\n")
    );
    vec![
        // Clusters' own.
        one(
            "k3s token",
            &format!("token file holds {k10}"),
            &["k3s-Canary-0001", HEX64],
        ),
        one(
            "k3s bootstrap token",
            &format!("K3S_TOKEN=K10{HEX64}::abcdef.c4n4ry0123456789"),
            &["c4n4ry0123456789"],
        ),
        one(
            "k3s join command",
            "curl -sfL https://get.example | K3S_URL=https://10.0.0.1:6443 K3S_TOKEN=Canary-0003-x sh -",
            &["Canary-0003-x"],
        ),
        one(
            "kubeadm join",
            "kubeadm join 10.0.0.1:6443 --token canary.c4n4ry0000000004 --discovery-token-ca-cert-hash sha256:aa",
            &["c4n4ry0000000004"],
        ),
        one(
            "join url",
            "joining https://10.0.0.1:9345/v1-k3s/server-bootstrap?token=Canary0005x&node=a",
            &["Canary0005x"],
        ),
        one(
            "bootstrap token said",
            "using bootstrap token canary.c4n4ry0000000006 for node n1",
            &["c4n4ry0000000006"],
        ),
        one(
            "kubeconfig key",
            &format!(
                "users:\n- name: admin\n  user:\n    client-certificate-data: LS0tLS1CRUdJTiBDRVJU\n    client-key-data: {pem_base64}\n"
            ),
            &[pem_middle],
        ),
        one(
            "kubeconfig key that is no PEM",
            "    client-key-data: Y2FuYXJ5LTAwMDgtbm8tcGVt\n",
            &["Y2FuYXJ5LTAwMDgtbm8tcGVt"],
        ),
        one(
            "kubeconfig token",
            "    token: canary-0009-kubeconfig\n",
            &["canary-0009"],
        ),
        one(
            "kubeconfig password",
            "    username: admin\n    password: canary-0010-basic\n",
            &["canary-0010"],
        ),
        one(
            "service account token",
            &format!("token mounted: {jwt}"),
            &["c2lnbmF0dXJlLWNhbmFyeS1qd3Q", "eyJpc3MiOi"],
        ),
        one(
            "service account token in base64",
            &format!("found {}", base64(jwt)),
            &[&base64(jwt)[30..60]],
        ),
        one(
            "encryption config",
            "resources:\n- providers:\n  - aescbc:\n      keys:\n      - name: key1\n        secret: Y2FuYXJ5LTAwMTMtYWVzY2JjLWtleQ==\n",
            &["Y2FuYXJ5LTAwMTM"],
        ),
        one("age key", &format!("identity is {age}"), &["1CANARYQ0Q0"]),
        one(
            "age key in base64",
            &format!("age.agekey: {age_base64}"),
            &[&age_base64[24..50]],
        ),
        // Keys.
        one("pem", &pem("RSA PRIVATE KEY", "", "\n"), &[BODY, BODY2]),
        one(
            "pem indented",
            &format!(
                "data:\n  id_rsa: |\n{}",
                pem("OPENSSH PRIVATE KEY", "    ", "\n")
            ),
            &[BODY, BODY2],
        ),
        one(
            "pem crlf",
            &pem("EC PRIVATE KEY", "", "\r\n"),
            &[BODY, BODY2],
        ),
        one(
            "pem escaped",
            &format!("{{\"tls.key\":\"{}\"}}", pem("PRIVATE KEY", "", "\\n")),
            &[BODY, BODY2],
        ),
        one(
            "pem escaped twice",
            &format!(
                "\"{{\\\"k\\\":\\\"{}\\\"}}\"",
                pem("PRIVATE KEY", "", "\\\\n")
            ),
            &[BODY, BODY2],
        ),
        one(
            "pem without end",
            &format!("-----BEGIN PRIVATE KEY-----\n{BODY}\n{BODY2}\n"),
            &[BODY, BODY2],
        ),
        one(
            "pgp",
            &pem("PGP PRIVATE KEY BLOCK", "", "\n"),
            &[BODY, BODY2],
        ),
        one(
            "pem in base64",
            &format!("blob: {pem_base64}"),
            &[pem_middle],
        ),
        one(
            "pem in base64, key behind certificate",
            &format!("blob: {both}"),
            &[both_middle],
        ),
        one(
            "pem in wrapped base64",
            &format!("blob: |\n{wrapped}"),
            &[
                &wrapped[150..180],
                wrapped.trim_end().rsplit(' ').next().unwrap_or_default(),
            ],
        ),
        one("gcp service account", &gcp, &[BODY, BODY2]),
        one(
            "wireguard",
            "[Interface]\nPrivateKey = c4naryWG0000000000000000000000000000000001=\nPresharedKey = c4naryWG0000000000000000000000000000000002=\n",
            &[
                "c4naryWG0000000000000000000000000000000001",
                "c4naryWG0000000000000000000000000000000002",
            ],
        ),
        // Providers' tokens.
        one(
            "aws key id",
            "using AKIAC4NARY00000000AB in eu-west-1",
            &["AKIAC4NARY00000000AB"],
        ),
        one(
            "aws secret",
            "aws_secret_access_key = c4naryAWS/0029+wJalrXUtnFEMI/K7MDENGbPxRfi",
            &["c4naryAWS/0029"],
        ),
        one(
            "gcp api key",
            "key=AIzaC4nary0030000000000000000000000000000",
            &["AIzaC4nary0030"],
        ),
        one(
            "github",
            "remote: ghp_C4nary0031aaaaaaaaaaaaaaaaaaaaaaaaaa",
            &["C4nary0031"],
        ),
        one(
            "github fine",
            "x github_pat_11C4NARY0032_aaaaaaaaaaaaaaaaaaaaaaaa y",
            &["C4NARY0032"],
        ),
        one(
            "gitlab",
            "cloning with glpat-c4nary0033aaaaaaaaaa",
            &["c4nary0033"],
        ),
        one(
            "gitlab agent",
            "agent uses glagent-c4nary0034aaaaaaaaaaaaaaaaaaaa",
            &["c4nary0034"],
        ),
        one(
            "slack",
            "posting as xoxb-0035-c4nary0035-aaaaaaaaaaaa",
            &["c4nary0035"],
        ),
        one(
            "slack webhook",
            "POST https://hooks.slack.com/services/T00000000/B00000000/c4nary0036aaaaaaaaaaaaaa",
            &["c4nary0036"],
        ),
        one(
            "address signed for CloudFront, in JSON",
            r#"{"msg":"https://cdn.test/x?Expires=1\u0026Signature=c4nary0137~ab-c_\u0026Key-Pair-Id=K1"}"#,
            &["c4nary0137"],
        ),
        one(
            "addresses signed for S3, Azure and Google",
            "GET https://s3.test/x?X-Amz-Signature=c4nary0136deadbeef: 403, https://b.test/b?sv=2&sig=c4nary0138abc%2Bdef%3D, https://g.test/o?X-Goog-Signature=c4nary0139aa00bb11",
            &["c4nary0136", "c4nary0138", "c4nary0139"],
        ),
        one(
            "npm",
            "//registry.npmjs.org/:_authToken=npm_c4nary0037aaaaaaaaaaaaaaaaaaaaaaaaaa",
            &["c4nary0037"],
        ),
        one(
            "docker hub",
            "login with dckr_pat_c4nary0038aaaaaaaaaaaaaaa",
            &["c4nary0038"],
        ),
        one(
            "vault",
            "vault said hvs.c4nary0039aaaaaaaaaaaaaaaaaa",
            &["c4nary0039"],
        ),
        one(
            "dockerconfigjson",
            docker,
            &["docker-Pw-7781", "cm9ib3Q6ZG9ja2VyLVB3"],
        ),
        one(
            "dockerconfigjson in base64",
            &format!("pull with {docker_base64}"),
            &[&docker_base64[40..80]],
        ),
        one(
            "tunnel token",
            &format!(
                "cloudflared tunnel run {}",
                base64(r#"{"a":"c4nary0042account","t":"0000","s":"c4nary0042secret"}"#)
            ),
            &[&base64(r#"{"a":"c4nary0042account","t":"0000","s":"c4nary0042secret"}"#)[30..60]],
        ),
        // Addresses and headers.
        one(
            "basic auth url",
            "cloning https://bob:canary-0043-Pw@git.example/x.git",
            &["canary-0043"],
        ),
        one(
            "basic auth url with an at",
            "redis://:canary-0044@Pw@redis:6379/0",
            &["canary-0044", "@Pw@"],
        ),
        one(
            "mysql address",
            "dial app:canary-0045-Pw@tcp(db:3306)/app",
            &["canary-0045"],
        ),
        one(
            "libpq",
            "host=db user=app password=canary-0046-Pw dbname=app",
            &["canary-0046"],
        ),
        one(
            "jdbc",
            "jdbc:postgresql://db/app?user=app&password=canary-0047-Pw&ssl=true",
            &["canary-0047"],
        ),
        one(
            "authorization bearer",
            "> Authorization: Bearer canary0048.aaaaaaaaaaaa",
            &["canary0048"],
        ),
        one(
            "authorization basic",
            "\"Authorization\": \"Basic Y2FuYXJ5LTAwNDk6cGFzcw==\"",
            &["Y2FuYXJ5LTAwNDk6"],
        ),
        one(
            "headers as Go prints them",
            "map[Accept:[*/*] Authorization:[Bearer canary0050aaaaaaaaaa]]",
            &["canary0050"],
        ),
        one(
            "private token header",
            "PRIVATE-TOKEN: canary-0051-aaaaaaaa",
            &["canary-0051"],
        ),
        one(
            "cookie",
            "Set-Cookie: session=canary0052aaaaaaaa; HttpOnly",
            &["canary0052"],
        ),
        // Names beside values.
        one(
            "env yaml",
            "    env:\n    - name: DB_PASSWORD\n      value: canary-0053-Pw\n",
            &["canary-0053"],
        ),
        one(
            "env yaml, value first",
            "    env:\n    - value: 'canary-0054-Pw'\n      name: API_TOKEN\n",
            &["canary-0054"],
        ),
        one(
            "env json",
            "{\"env\":[{\"name\": \"API_KEY\",\n   \"value\": \"canary-0055-Pw\"}]}",
            &["canary-0055"],
        ),
        one(
            "env json, value first",
            "{\"env\":[{\"value\":\"canary-0056-Pw\",\"name\":\"SECRET_KEY_BASE\"}]}",
            &["canary-0056"],
        ),
        one(
            "env flow",
            "env: [{name: DB_PASS, value: canary-0057-Pw}]",
            &["canary-0057"],
        ),
        one(
            "env block",
            "    - name: TLS_PRIVATE_KEY\n      value: |\n        canary-0058-line1\n        canary-0058-line2\n      x: y\n",
            &["canary-0058-line1", "canary-0058-line2"],
        ),
        one(
            "env as Go prints it",
            "EnvVar{Name:DB_PASSWORD,Value:canary-0059-Pw,ValueFrom:nil,}",
            &["canary-0059"],
        ),
        one(
            "args with equals",
            "args: [\"--password=canary-0060-Pw\", \"--v=2\"]",
            &["canary-0060"],
        ),
        one(
            "args with space",
            "exec: /app --token canary-0061-Pw --v 2",
            &["canary-0061"],
        ),
        one(
            "args as json list",
            "\"args\": [\n  \"--api-key\",\n  \"canary-0062-Pw\"\n]",
            &["canary-0062"],
        ),
        one(
            "args as yaml list",
            "  args:\n  - --client-secret\n  - canary-0063-Pw\n  - --v=2\n",
            &["canary-0063"],
        ),
        one(
            "curl user",
            "command: curl -fsS -u admin:canary-0064-Pw https://x",
            &["canary-0064"],
        ),
        one(
            "yaml passphrase of words",
            "passphrase: correct canary 0065 staple\nnext: x\n",
            &["canary 0065", "staple"],
        ),
        one(
            "yaml value below its key",
            "db:\n  password:\n    canary-0066-Pw\n  user: app\n",
            &["canary-0066"],
        ),
        one(
            "yaml folded",
            "db:\n  password: >-\n    canary-0067-a\n    canary-0067-b\n  user: app\n",
            &["canary-0067-a", "canary-0067-b"],
        ),
        one(
            "yaml quoted over lines",
            "db:\n  password: \"canary-0068-a\n    canary-0068-b\"\n  user: app\n",
            &["canary-0068-a", "canary-0068-b"],
        ),
        one(
            "yaml tagged",
            "db:\n  password: !!str canary-0069-Pw\n",
            &["canary-0069"],
        ),
        one(
            "yaml with a quoted key",
            "\"password\" : canary-0070-Pw\n",
            &["canary-0070"],
        ),
        one(
            "json number",
            "{\"password\": 700710071, \"next\": true}",
            &["700710071"],
        ),
        one(
            "env file",
            "export DB_PASSWORD=canary-0072 with words\nDEBUG=1\n",
            &["canary-0072", "with words"],
        ),
        one(
            "env file quoted",
            "SECRET_KEY='canary-0073 with words'\n",
            &["canary-0073", "with words"],
        ),
        one("ini", "[db]\npassword = canary-0074-Pw\n", &["canary-0074"]),
        one(
            "xml",
            "<password>canary-0075-Pw</password>",
            &["canary-0075"],
        ),
        one(
            "netrc",
            "machine git.example login bob password canary-0076-Pw",
            &["canary-0076"],
        ),
        one(
            "password hash",
            "admin:$2y$10$c4nary0077aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            &["c4nary0077"],
        ),
        one(
            "log password",
            "level=info msg=\"connecting\" password=canary-0078-Pw user=app",
            &["canary-0078"],
        ),
        one(
            "log token",
            "I1121 main.go:1] got token: canary-0079-Pw for bob",
            &["canary-0079"],
        ),
        one(
            "log json",
            "{\"level\":\"info\",\"dbPassword\":\"canary-0080-Pw\",\"msg\":\"x\"}",
            &["canary-0080"],
        ),
        // Secret objects.
        one(
            "secret yaml",
            "apiVersion: v1\nkind: Secret\nmetadata:\n  name: db\ndata:\n  blob: Y2FuYXJ5LTAwODE=\n",
            &["Y2FuYXJ5LTAwODE"],
        ),
        one(
            "secret yaml, data first",
            "apiVersion: v1\ndata:\n  blob: Y2FuYXJ5LTAwODI=\nkind: Secret\nmetadata:\n  name: db\n",
            &["Y2FuYXJ5LTAwODI"],
        ),
        one(
            "secret stringData block",
            "apiVersion: v1\nkind: Secret\nmetadata:\n  name: db\nstringData:\n  conf: |\n    canary-0083-a\n\n    canary-0083-b\n  other: 'canary-0083-c'\n",
            &["canary-0083-a", "canary-0083-b", "canary-0083-c"],
        ),
        one(
            "secret flow",
            "{apiVersion: v1, kind: Secret, metadata: {name: db}, stringData: {blob: canary-0084-x, \"q\": \"canary-0084-y\"}}\n",
            &["canary-0084-x", "canary-0084-y"],
        ),
        one(
            "secret quoted keys",
            "\"apiVersion\": \"v1\"\n\"kind\": \"Secret\"\n\"metadata\":\n  \"name\": db\n\"data\":\n  \"blob\": \"Y2FuYXJ5LTAwODU=\"\n",
            &["Y2FuYXJ5LTAwODU"],
        ),
        one(
            "secret json",
            "{\"apiVersion\":\"v1\",\"data\":{\"blob\":\"Y2FuYXJ5LTAwODY=\"},\"kind\":\"Secret\",\"metadata\":{\"name\":\"db\"}}",
            &["Y2FuYXJ5LTAwODY"],
        ),
        one(
            "secret json pretty",
            "{\n  \"apiVersion\": \"v1\",\n  \"data\": {\n    \"blob\": \"Y2FuYXJ5LTAwODc=\"\n  },\n  \"kind\": \"Secret\",\n  \"metadata\": {\"name\": \"db\"}\n}\n",
            &["Y2FuYXJ5LTAwODc"],
        ),
        one(
            "secret list json",
            "{\"apiVersion\":\"v1\",\"kind\":\"SecretList\",\"items\":[{\"metadata\":{\"name\":\"db\"},\"data\":{\"blob\":\"Y2FuYXJ5LTAwODg=\"}}]}",
            &["Y2FuYXJ5LTAwODg"],
        ),
        one(
            "secret list yaml",
            "apiVersion: v1\nkind: SecretList\nitems:\n- metadata:\n    name: db\n  data:\n    blob: Y2FuYXJ5LTAwODk=\n",
            &["Y2FuYXJ5LTAwODk"],
        ),
        one(
            "list with a secret",
            "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  data:\n    blob: Y2FuYXJ5LTAwOTA=\n  kind: Secret\n  metadata:\n    name: db\n- kind: ConfigMap\n  apiVersion: v1\n  metadata:\n    name: c\n",
            &["Y2FuYXJ5LTAwOTA"],
        ),
        one(
            "secret last-applied",
            "apiVersion: v1\nkind: Secret\nmetadata:\n  annotations:\n    kubectl.kubernetes.io/last-applied-configuration: |\n      {\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"stringData\":{\"blob\":\"canary-0091-x\"}}\n  name: db\n",
            &["canary-0091"],
        ),
        one(
            "secret last-applied json",
            "{\"kind\":\"Secret\",\"metadata\":{\"annotations\":{\"kubectl.kubernetes.io/last-applied-configuration\":\"{\\\"kind\\\":\\\"Secret\\\",\\\"stringData\\\":{\\\"blob\\\":\\\"canary-0092-x\\\"}}\\n\"},\"name\":\"db\"}}",
            &["canary-0092"],
        ),
        one(
            "wrangler's annotation",
            &format!(
                "apiVersion: v1\nkind: Secret\nmetadata:\n  annotations:\n    objectset.rio.cattle.io/applied: {PACKED}\n    objectset.rio.cattle.io/id: x\n  name: db\n"
            ),
            &[PACKED_HEAD, PACKED_TAIL],
        ),
        one(
            "wrangler's annotation of another kind",
            &format!(
                "{{\"kind\":\"Deployment\",\"apiVersion\":\"apps/v1\",\"metadata\":{{\"annotations\":{{\"objectset.rio.cattle.io/applied\":\"{PACKED}\"}},\"name\":\"db\"}}}}"
            ),
            &[PACKED_HEAD, PACKED_TAIL],
        ),
        one(
            "wrangler's annotation that was not packed",
            "apiVersion: v1\nkind: Service\nmetadata:\n  annotations:\n    objectset.rio.cattle.io/applied: '{\"kind\":\"Service\",\"motto\":\"canary-0300-x\"}'\n  name: db\n",
            &["canary-0300"],
        ),
        one(
            "wrangler's annotation described",
            &format!(
                "Name:         db\nLabels:       <none>\nAnnotations:  objectset.rio.cattle.io/applied:\n                {}...\nType:         Opaque\n",
                &PACKED[..137]
            ),
            &[PACKED_HEAD],
        ),
        one(
            "release of Helm in a config map",
            &format!(
                "apiVersion: v1\nkind: ConfigMap\ndata:\n  release: {PACKED}\nmetadata:\n  labels:\n    owner: helm\n  name: shop.v1\n"
            ),
            &[PACKED_HEAD, PACKED_TAIL],
        ),
        one(
            "release of Helm out of a secret",
            &format!("$ cat release.txt\n{}\n", base64(PACKED)),
            &["SDRzSUFBQUFBQUFB", "JjcFlBQUFB"],
        ),
        one(
            "packed and wrapped",
            &wrap(PACKED, 64, "    "),
            &[PACKED_HEAD, PACKED_TAIL],
        ),
        one(
            "secret cut in the middle",
            "apiVersion: v1\nkind: Secret\nmetadata:\n  name: db\ndata:\n  blob: Y2FuYXJ5LTAwOTM=\n  other: \"Y2FuYXJ5LTAwOTMtb3Ro",
            &["Y2FuYXJ5LTAwOTM"],
        ),
        one(
            "secret json cut in the middle",
            "{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"data\":{\"blob\":\"Y2FuYXJ5LTAwOTQ=\",\"o\":\"Y2FuYXJ5LTAwOTQt",
            &["Y2FuYXJ5LTAwOTQ"],
        ),
        one(
            "secret behind a broken line",
            "kind: Pod\n  broken: [\n---\napiVersion: v1\nkind: Secret\nstringData:\n  blob: canary-0095-x\n",
            &["canary-0095"],
        ),
        one(
            "secret in a text",
            "I applied this yesterday:\n\napiVersion: v1\nkind: Secret\nmetadata:\n  name: db\nstringData:\n  blob: canary-0096-x\n\nand it broke.\n",
            &["canary-0096"],
        ),
        one(
            "config map with an env file",
            "{\"kind\":\"ConfigMap\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"c\"},\"data\":{\".env\":\"A=1\\nDB_PASSWORD=canary-0097 x\\nB=2\\n\"}}",
            &["canary-0097 x"],
        ),
        one(
            "config map with yaml",
            "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: c\ndata:\n  app.yaml: |\n    db:\n      password: canary-0098-Pw\n",
            &["canary-0098"],
        ),
        one(
            "config map json with yaml",
            "{\"kind\":\"ConfigMap\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"c\"},\"data\":{\"app.yaml\":\"db:\\n  password: canary-0099-Pw\\n  secret: |\\n    canary-0099-block\\n  user: x\\n\"}}",
            &["canary-0099-Pw", "canary-0099-block"],
        ),
        one(
            "config map with a secret",
            "{\"kind\":\"ConfigMap\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"c\"},\"data\":{\"s.yaml\":\"apiVersion: v1\\nkind: Secret\\nmetadata:\\n  name: db\\ndata:\\n  blob: Y2FuYXJ5LTAxMDA=\\n\"}}",
            &["Y2FuYXJ5LTAxMDA"],
        ),
        one(
            "etcdctl user",
            "root@n1:~# etcdctl --user root:canary-0101-Pw member list\n",
            &["canary-0101"],
        ),
        one(
            "etcdctl user with equals",
            "etcdctl --endpoints=https://10.0.0.1:2379 --user=root:canary-0102-Pw endpoint status",
            &["canary-0102"],
        ),
        one(
            "sshpass",
            "$ sshpass -p canary-0103-Pw ssh root@n1 uptime\n",
            &["canary-0103"],
        ),
        one(
            "sshpass joined",
            "$ sshpass -pcanary-0104-Pw scp a root@n1:\n",
            &["canary-0104"],
        ),
        one(
            "docker login",
            "$ docker login -u bot -p canary-0105-Pw ghcr.io\n",
            &["canary-0105"],
        ),
        one(
            "helm registry login",
            "$ helm registry login ghcr.io -u me -p canary-0106-Pw\n",
            &["canary-0106"],
        ),
        one(
            "redis-cli",
            "/data # redis-cli -a canary-0107-Pw ping\n",
            &["canary-0107"],
        ),
        one(
            "mysql",
            "$ mysql -uroot -pcanary-0108-Pw -e 'show status'\n",
            &["canary-0108"],
        ),
        one(
            "mysqldump",
            "mysqldump -h db -u root -p'canary-0109-Pw' shop",
            &["canary-0109"],
        ),
        one(
            "smbclient",
            "$ smbclient -U bob%canary-0110-Pw //nas/x\n",
            &["canary-0110"],
        ),
        one(
            "ldapsearch",
            "ldapsearch -x -D cn=admin,dc=x -w canary-0111-Pw -b dc=x",
            &["canary-0111"],
        ),
        one(
            "decoded secret",
            "$ kubectl get secret db -o jsonpath='{.data.password}' | base64 -d\ncanary-0112-Pw\n$ kubectl get pods\n",
            &["canary-0112"],
        ),
        one(
            "decoded secret before the prompt",
            "root@n1:~# kubectl -n a get secret/db -o jsonpath={.data.pw} | base64 --decode\ncanary-0113-Pwroot@n1:~# ls\n",
            &["canary-0113"],
        ),
        one(
            "secret not decoded",
            "$ kubectl get secret db -o jsonpath='{.data.blob}'\nY2FuYXJ5LTAxMTQ=\n",
            &["Y2FuYXJ5LTAxMTQ"],
        ),
        one(
            "decoded by hand",
            "$ echo Y2FuYXJ5LTAxMTU= | base64 -d\ncanary-0115-Pw\n",
            &["canary-0115", "Y2FuYXJ5LTAxMTU"],
        ),
        one(
            "sealed by hand",
            "$ echo -n \"canary-0116 Pw\" | kubeseal --raw --name db\n",
            &["canary-0116 Pw"],
        ),
        one(
            "piped to login",
            "printf '%s' 'canary-0117-Pw' | docker login --username bot --password-stdin ghcr.io",
            &["canary-0117"],
        ),
        one(
            "decoded secret that begins like a prompt",
            "$ echo x | base64 -d\n$canary-0118-Pw\n",
            &["canary-0118"],
        ),
        one(
            "registries.yaml",
            "configs:\n  \"reg.example:5000\":\n    auth:\n      username: puller\n      password: canary-0121-Pw\n      auth: Y2FuYXJ5OjAxMjI=\n      identity_token: canary-0123-Pw\n",
            &["canary-0121", "Y2FuYXJ5OjAxMjI", "canary-0123"],
        ),
        one(
            "containerd's TOML",
            "[plugins.\"io.containerd.grpc.v1.cri\".registry.configs.\"reg.example\".auth]\n  username = \"puller\"\n  password = \"canary-0124-Pw\"\n  auth = \"Y2FuYXJ5OjAxMjU=\"\n  identitytoken = \"canary-0126-Pw\"\n",
            &["canary-0124", "Y2FuYXJ5OjAxMjU", "canary-0126"],
        ),
        one(
            "netplan's wifi",
            "network:\n  wifis:\n    wlan0:\n      access-points:\n        \"home\":\n          password: \"canary-0127-Pw\"\n",
            &["canary-0127"],
        ),
        one(
            "netplan's 802.1x",
            "      auth:\n        key-management: eap\n        identity: me\n        password: canary-0128-Pw\n        client-key-password: canary-0129-Pw\n",
            &["canary-0128", "canary-0129"],
        ),
        one(
            "unit's environment",
            "[Service]\nEnvironment=\"K3S_TOKEN=canary-0130-Pw\" \"HTTP_PROXY=http://u:canary-0131-Pw@proxy.example:3128\"\n",
            &["canary-0130", "canary-0131"],
        ),
        one(
            "unit's arguments over lines",
            "ExecStart=/usr/local/bin/k3s \\\n    server \\\n\t'--token' \\\n\t'canary-0132-Pw' \\\n\t'--datastore-endpoint=postgres://k3s:canary-0133-Pw@db.example:5432/k3s' \\\n\n",
            &["canary-0132", "canary-0133"],
        ),
        one(
            "k3s' configuration",
            "token: canary-0134-Pw\nagent-token: \"canary-0135-Pw\"\ndatastore-endpoint: mysql://k3s:canary-0136-Pw@tcp(db.example:3306)/k3s\netcd-s3-secret-key: canary-0137-Pw\nvpn-auth: \"name=tailscale,joinKey=canary-0138-Pw\"\n",
            &[
                "canary-0134",
                "canary-0135",
                "canary-0136",
                "canary-0137",
                "canary-0138",
            ],
        ),
        one(
            "unit's environment file",
            "K3S_TOKEN='canary-0139-Pw'\nK3S_AGENT_TOKEN=canary-0140-Pw\nK3S_DATASTORE_ENDPOINT='mysql://k3s:canary-0141-Pw@tcp(db.example:3306)/k3s'\nAWS_SECRET_ACCESS_KEY=canary-0142-Pw\n",
            &["canary-0139", "canary-0140", "canary-0141", "canary-0142"],
        ),
        one(
            "hosts.toml",
            "[host.\"https://mirror.example:5000\"]\n  [host.\"https://mirror.example:5000\".header]\n    authorization = \"Basic Y2FuYXJ5OjAxNDM=\"\n",
            &["Y2FuYXJ5OjAxNDM"],
        ),
    ]
}

/// The text as the inside of a JSON string.
pub fn escaped(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}
