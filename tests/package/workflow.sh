# The workflows, read by a linter that knows GitHub's, and what a release says about itself. Part of scripts/package-test.
# shellcheck shell=bash

lint_workflows() { actionlint -color=false .github/workflows/*.yml; }

notes_are_those_of_the_version() {
    printf '# Changelog\n\n## [Unreleased]\n- new\n\n## [%s] - 2026-01-01\n- first\n\n## [0.0.1]\n- old\n' "$version" \
        >"$work/changelog"
    [[ $(CHANGELOG="$work/changelog" ./scripts/release-notes "$version") == "- first" ]]
}

wrong_releases_are_refused() {
    printf '# Changelog\n\n## [Unreleased]\n- new\n' >"$work/changelog"
    not env CHANGELOG="$work/changelog" ./scripts/release-notes "$version"
    printf '## [9.9.9]\n- other\n' >"$work/changelog"
    not env CHANGELOG="$work/changelog" ./scripts/release-notes 9.9.9
}

part_workflow() {
    need_actionlint
    check "actionlint accepts the workflows" lint_workflows
    check "a release's notes are the section of its version" notes_are_those_of_the_version
    check "a release without a section, or of another version, is refused" wrong_releases_are_refused
}
