//! What the gateway says of its configuration.

use tempfile::TempDir;
use tollgate_tests::{Ran, run};

#[test]
fn an_unknown_key_is_an_error_with_its_line_and_column() {
    let checked = check("[server]\nlisten = \"127.0.0.1:0\"\nlisten_backlog = 5\n");

    assert!(!checked.success);
    assert!(checked.stderr.contains("listen_backlog"), "{checked:?}");
    assert!(checked.stderr.contains("line 3, column 1"), "{checked:?}");
}

#[test]
fn a_value_of_the_wrong_kind_is_an_error_with_its_line() {
    let checked = check("[quota.default]\n\nrequests_per_minute = \"many\"\n");

    assert!(!checked.success);
    assert!(checked.stderr.contains("line 3"), "{checked:?}");
}

#[test]
fn a_variable_that_is_not_set_is_an_error_that_names_it() {
    let checked = check(&provider("${TOLLGATE_TEST_UNSET}"));

    assert!(!checked.success);
    assert!(
        checked.stderr.contains("TOLLGATE_TEST_UNSET"),
        "{checked:?}"
    );
}

#[test]
fn a_target_at_a_provider_that_there_is_not_is_an_error_that_names_it() {
    let model =
        "[[models]]\nname = \"fast\"\ntargets = [{ provider = \"nowhere\", model = \"x\" }]\n";

    let checked = check(model);

    assert!(!checked.success);
    assert!(checked.stderr.contains("nowhere"), "{checked:?}");
}

#[test]
fn a_sound_configuration_is_told_in_words_without_its_secrets() {
    let keys = "[[keys]]\nid = \"alice\"\nkey = \"tg-canary-6d1f0b9c54e2\"\n";

    let checked = check(&format!("{keys}{}", provider("sk-canary-2")));

    assert!(checked.success, "{checked:?}");
    assert!(checked.stdout.contains("fast"), "{checked:?}");
    assert!(checked.stdout.contains("scripted"), "{checked:?}");
    let said = format!("{checked:?}");
    assert!(!said.contains("canary"), "{said}");
}

#[test]
fn the_configuration_in_the_readme_is_sound() {
    let readme = include_str!("../README.md");
    let (_, rest) = readme.split_once("```toml\n").expect("there is one");
    let (config, _) = rest.split_once("```").expect("it ends");

    let config = config.replace("${OPENAI_API_KEY}", "sk-x");
    let checked = check(&config.replace("${ANTHROPIC_API_KEY}", "sk-y"));

    assert!(checked.success, "{checked:?}");
    assert!(
        checked.stdout.contains("600 requests a minute"),
        "{checked:?}"
    );
}

#[test]
fn a_file_that_is_not_there_is_an_error_that_names_it() {
    let folder = TempDir::new().expect("there is room for a folder");

    let checked = run(folder.path(), &["check", "--config", "nowhere.toml"]);

    assert!(!checked.success);
    assert!(checked.stderr.contains("nowhere.toml"), "{checked:?}");
}

#[test]
fn it_does_not_listen_to_the_public_without_authentication() {
    let open = "[server]\nlisten = \"0.0.0.0:8080\"\n[auth]\nanonymous = true\n";

    let checked = check(&format!("{open}{}", provider("sk-x")));

    assert!(!checked.success);
    assert!(checked.stderr.contains("0.0.0.0"), "{checked:?}");
}

#[test]
fn help_and_version_are_there() {
    let folder = TempDir::new().expect("there is room for a folder");

    let help = run(folder.path(), &["--help"]);
    let version = run(folder.path(), &["--version"]);

    assert!(help.success && help.stdout.contains("--config"), "{help:?}");
    assert!(
        version.success && version.stdout.contains(env!("CARGO_PKG_VERSION")),
        "{version:?}"
    );
}

fn provider(key: &str) -> String {
    format!(
        r#"
        [[providers]]
        name = "scripted"
        dialect = "openai"
        base_url = "http://127.0.0.1:9/v1"
        api_key = "{key}"
        [[models]]
        name = "fast"
        targets = [{{ provider = "scripted", model = "x" }}]
        "#
    )
}

fn check(config: &str) -> Ran {
    let folder = TempDir::new().expect("there is room for a folder");
    std::fs::write(folder.path().join("tollgate.toml"), config)
        .expect("the folder can be written to");
    run(folder.path(), &["check", "--config", "tollgate.toml"])
}
