//! The SDKs of three providers before the same three, by way of the gateway.
//!
//! What works is a table, `docs/pairs.md`, which is made here: `TOLLGATE_BLESS=1` writes it anew.

use std::{collections::BTreeMap, env, fmt::Write, fs, path::Path};

use serde_json::Value;
use tokio::task::spawn_blocking;
use tollgate_llm::simulated::Simulated;
use tollgate_tests::{Gateway, Provider, node, python, run_script};

#[tokio::test(flavor = "multi_thread")]
async fn every_sdk_gets_from_every_provider_what_the_table_says() {
    let test = "the SDKs before each provider";
    let (Some(python), Some(node)) = (python(test), node(test)) else {
        return;
    };
    let provider = Provider::start(Simulated::new().key("sk-simulated"));
    let config = format!(
        "{CONFIG}{}{}",
        provider.in_all_dialects(),
        refusing_models()
    );
    let gateway = Gateway::start(Some(&config)).await;

    let scripts = FRONTS.iter().flat_map(|(front, _)| {
        [(&python, "py"), (&node, "mjs")].map(|(program, ending)| {
            let (program, script) = (program.clone(), format!("sdk/pairs_{front}.{ending}"));
            let (base, provider) = (gateway.url().to_owned(), provider.url().to_owned());
            spawn_blocking(move || cases(&program, &script, &base, &provider))
        })
    });
    // All of them are begun before one is waited for.
    let scripts: Vec<_> = scripts.collect();
    let mut all = Vec::new();
    for script in scripts {
        all.extend(script.await.expect("a script prints cases"));
    }

    let made = page(&all);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/pairs.md");
    if env::var("TOLLGATE_BLESS").as_deref() == Ok("1") {
        fs::write(&path, &made).expect("the docs can be written");
    }
    let failed: Vec<String> = all.iter().filter_map(Case::failure).collect();
    assert!(
        failed.is_empty(),
        "{} of {} failed:\n{}",
        failed.len(),
        all.len(),
        failed.join("\n")
    );
    assert!(
        fs::read_to_string(&path).is_ok_and(|written| written == made),
        "docs/pairs.md does not say what was found (TOLLGATE_BLESS=1 writes it):\n{made}"
    );
}

/// What came of a case.
struct Case {
    front: String,
    sdk: String,
    behind: String,
    name: String,
    outcome: String,
    detail: String,
}

impl Case {
    fn read(line: &str) -> Self {
        let line: Value = serde_json::from_str(line).expect("a case is JSON");
        let text = |field: &str| line[field].as_str().unwrap_or_default().to_owned();
        Self {
            front: text("front"),
            sdk: text("sdk"),
            behind: text("behind"),
            name: text("case"),
            outcome: text("outcome"),
            detail: text("detail"),
        }
    }

    fn failure(&self) -> Option<String> {
        (self.outcome == "failed").then(|| {
            format!(
                "{} for {}, before {}: {}: {}",
                self.front, self.sdk, self.behind, self.name, self.detail
            )
        })
    }
}

/// Models that refuse, each with a target of its own: one that says when to come again is left alone until then, and
/// with it whatever else it serves.
fn refusing_models() -> String {
    let mut models = String::new();
    for (behind, (front, _)) in BEHINDS
        .iter()
        .flat_map(|it| FRONTS.map(|front| (it, front)))
    {
        for language in ["py", "js"] {
            for fault in ["error-429", "error-500", "overloaded"] {
                let model = format!("{language}-{front}-*-{fault}");
                write!(
                    models,
                    "[[models]]\nname = \"via-{behind}-{model}\"\n\
                     targets = [{{ provider = \"behind-{behind}\", model = \"{model}\" }}]\n"
                )
                .expect("a string takes all");
            }
        }
    }
    models
}

/// Runs a script, which prints a line of JSON for each case.
fn cases(program: &Path, script: &str, base_url: &str, provider_url: &str) -> Vec<Case> {
    let variables = [
        ("BASE_URL", base_url),
        ("PROVIDER_URL", provider_url),
        ("KEY", KEY),
        ("PREFIX", "via-"),
        ("BEHINDS", "openai,anthropic,gemini"),
    ];
    let ran = run_script(program, script, &variables);
    assert!(ran.success, "{script}: {}\n{}", ran.stdout, ran.stderr);
    ran.stdout.lines().map(Case::read).collect()
}

fn page(cases: &[Case]) -> String {
    let mut page = HEAD.to_owned();
    for (front, title) in FRONTS {
        write!(page, "\n## {title}\n\n{COLUMNS}").expect("a string takes all");
        let mut names: Vec<&str> = Vec::new();
        for case in cases.iter().filter(|case| case.front == front) {
            if !names.contains(&case.name.as_str()) {
                names.push(&case.name);
            }
        }
        for name in names {
            let cells = BEHINDS.map(|behind| cell(cases, front, behind, name));
            let name = name.replace('_', " ");
            writeln!(page, "| {name} | {} |", cells.join(" | ")).expect("a string takes all");
        }
    }
    page
}

/// One outcome if the SDKs of both languages agree, else both.
fn cell(cases: &[Case], front: &str, behind: &str, name: &str) -> String {
    let here = cases
        .iter()
        .filter(|it| it.front == front && it.behind == behind && it.name == name);
    let outcomes: BTreeMap<&str, &str> = here.map(|it| (&*it.outcome, &*it.sdk)).collect();
    match outcomes.len() {
        1 => outcomes.into_keys().collect(),
        _ => outcomes
            .iter()
            .map(|(outcome, sdk)| format!("{outcome} ({sdk})"))
            .collect::<Vec<_>>()
            .join(", "),
    }
}

const FRONTS: [(&str, &str); 3] = [
    ("openai", "OpenAI's SDKs"),
    ("anthropic", "Anthropic's SDKs"),
    ("gemini", "Google's SDKs"),
];
const BEHINDS: [&str; 3] = ["openai", "anthropic", "gemini"];

const HEAD: &str = "\
# Who can speak to whom

What the providers' own SDKs, for Python and for JavaScript, get from each provider by way of the gateway. Made by
`tests/pairs.rs`, which runs them against a simulated provider; `TOLLGATE_BLESS=1` writes this page anew.

`refused` is an answer 400, before anything is sent, that names a field that cannot be said in the provider's dialect.
Errors, such as `rate limited`, are the SDK's typed exceptions.
";

const COLUMNS: &str = "\
| | before OpenAI | before Anthropic | before Gemini |
|---|---|---|---|
";

const KEY: &str = "tg-alice-6d1f0b9c54e2";

const CONFIG: &str = r#"
    [[keys]]
    id = "alice"
    key = "tg-alice-6d1f0b9c54e2"

    [[models]]
    name = "listed"
    targets = [{ provider = "behind-openai", model = "listed" }]

    [balance]
    attempts = 1

    [breaker]
    consecutive_failures = 1000000
    failure_rate = 1.0
"#;
