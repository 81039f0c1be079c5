"""What a path is: a test, a definition of checks, a lock file, a rule of this system. By gitignore-style patterns.

The lists are of names that tools look for by themselves. What a repository names otherwise, its team file adds.
"""

from collections.abc import Iterable
from functools import lru_cache

from pathspec import GitIgnoreSpec

TESTS = (
    *("tests/", "test/", "__tests__/", "spec/", "testdata/", "__snapshots__/", "__mocks__/"),
    *("test_*.py", "*_test.py", "*_tests.py", "tests.py"),
    *("*_test.go", "*_test.rs", "*.test.*", "*.spec.*", "*_spec.rb", "*_test.rb"),
    *("*Test.java", "*Tests.java", "*IT.java", "*Test.kt", "*Tests.kt", "*Tests.cs", "*Test.php"),
)
CHECK_DEFINITIONS = (
    *("conftest.py", "pytest.ini", ".pytest.ini", "pytest.toml", ".pytest.toml", "pyproject.toml", "setup.cfg"),
    *("tox.ini", "noxfile.py", ".coveragerc", "setup.py"),
    # Imported by every Python, or found before the module of that name that a check means to run.
    *("sitecustomize.py", "usercustomize.py", "*.pth"),
    # Say that something is installed, and with it which plug-ins pytest and others load by themselves.
    *("*.egg-info", "*.dist-info", "*.egg-link"),
    *("/pytest.py", "/pytest/", "/_pytest/", "/pluggy/", "/unittest.py", "/unittest/"),
    # What installs put there, and what is run from there.
    *("node_modules/", ".venv/", "venv/", "vendor/bin/", ".bundle/", "/bin/rspec", "/bin/rails", ".yarn/"),
    *("pytest.py", "_pytest/", "iniconfig.py"),
    *("Makefile", "makefile", "GNUmakefile", "*.mk", "CMakeLists.txt", "*.cmake"),
    *("Justfile", "justfile", ".justfile", "Taskfile.y*ml", "dodo.py", "tasks.py", "fabfile.py", "meson.build"),
    *("BUILD", "BUILD.bazel", "WORKSPACE*", "MODULE.bazel", "*.bzl", ".bazelrc", "build.sbt", "mix.exs"),
    *("ruff.toml", ".ruff.toml", "mypy.ini", ".mypy.ini", "pyrightconfig.json", ".flake8", ".pylintrc", "pylintrc"),
    *(".eslintrc*", "eslint.config.*", "biome.json*", ".golangci.*", ".rubocop*.yml", "clippy.toml", ".clippy.toml"),
    *("phpunit.xml*", "*.csproj", "Directory.Build.*", "*.sln", "global.json", "nuget.config"),
    *(".env", ".tool-versions", ".python-version", ".node-version", ".nvmrc", ".ruby-version", ".config/nextest.toml"),
    *(".yarnrc*", ".pnpmfile.*", "pnpm-workspace.yaml", "bunfig.toml", "deno.json*", "turbo.json", "nx.json"),
    *("package.json", ".npmrc", ".mocharc*", "jest.config.*", "vitest.config.*", "vite.config.*", "karma.conf.*"),
    *("playwright.config.*", "cypress.config.*", "babel.config.*", ".babelrc*", "tsconfig*.json", ".nycrc*"),
    *("go.mod", "go.work", "Cargo.toml", "build.rs", ".cargo/", "rust-toolchain*"),
    *("pom.xml", "build.gradle*", "settings.gradle*", "gradle.properties", "gradlew", "mvnw", "Rakefile", ".rspec"),
    # Changes what a checkout is made of.
    ".gitattributes",
)
CI = (
    *(".github/", ".gitlab-ci.yml", ".gitlab/", ".circleci/", ".buildkite/", ".woodpecker*", ".drone.yml", ".ci/"),
    *("Jenkinsfile", "azure-pipelines.yml", "bitbucket-pipelines.yml", ".travis.yml", "appveyor.yml"),
    *(".pre-commit-config.yaml", ".husky/"),
)
POLICY = (".journeyman/", "CODEOWNERS", "SECURITY.md")
AGENT_INSTRUCTIONS = (
    *("AGENTS.md", "CLAUDE.md", "GEMINI.md", ".claude/", ".cursor/", ".cursorrules", ".codex/", ".opencode/"),
    *(".mcp.json", ".aider*", ".windsurfrules"),
)
LOCK_FILES = (
    *("package-lock.json", "npm-shrinkwrap.json", "yarn.lock", "pnpm-lock.yaml", "bun.lock", "bun.lockb", "deno.lock"),
    *("poetry.lock", "uv.lock", "Pipfile.lock", "pdm.lock", "pylock*.toml", "requirements*.txt", "requirements/*.txt"),
    *("Cargo.lock", "go.sum", "Gemfile.lock", "composer.lock", "gradle.lockfile", "flake.lock", "constraints*.txt"),
)
MANIFESTS = (
    *("package.json", "pyproject.toml", "setup.py", "setup.cfg", "Pipfile", "requirements*.in", "environment.yml"),
    *("go.mod", "Cargo.toml", "Gemfile", "*.gemspec", "composer.json", "pom.xml", "build.gradle*", "flake.nix"),
    *("Dockerfile*", "*.dockerfile", "Containerfile*", "docker-compose*.y*ml", "compose*.y*ml", ".gitmodules"),
)

MIGRATIONS = (
    # Alembic, Django, Knex, Prisma, Sequelize, TypeORM; Rails; Flyway; Liquibase; Ecto; golang-migrate.
    *("migrations/", "alembic/versions/", "db/migrate/", "db/schema.rb", "db/structure.sql", "schema.prisma"),
    *("V[0-9]*__*.sql", "U[0-9]*__*.sql", "R__*.sql", "db/changelog/", "*.up.sql", "*.down.sql"),
)
GENERATED = (
    # What github-linguist takes for generated or vendored by its name, as far as it is common.
    *("*.min.js", "*.min.css", "*.js.map", "*.css.map", "*_pb2.py", "*_pb2.pyi", "*_pb2_grpc.py", "*.pb.go", "*.pb.cc"),
    *("*.pb.h", "*.generated.*", "*.g.dart", "*.designer.cs", "*.Designer.cs", "*_generated.*", "zz_generated.*"),
    *("/dist/", "/vendor/", "third_party/", "third-party/", "bower_components/", "node_modules/", "__generated__/"),
)
DOCS = (
    *("docs/", "doc/", "*.md", "*.rst", "*.adoc", "*.txt", "README*", "CHANGELOG*", "CHANGES*", "LICENSE*", "COPYING*"),
    *("AUTHORS*", "CONTRIBUTING*", "!requirements*.txt", "!constraints*.txt", "!CMakeLists.txt"),
)


def matches(path: str, patterns: Iterable[str]) -> bool:
    """Whether any of the gitignore-style patterns matches the path, which has `/` between its parts."""
    return _spec(tuple(patterns)).match_file(path)


def is_guarded(path: str, test_paths: tuple[str, ...] = (), check_definitions: tuple[str, ...] = ()) -> bool:
    """Whether the guarded run takes this path from base: a test, or what defines the checks."""
    return matches(path, (*TESTS, *CHECK_DEFINITIONS, *CI, *test_paths, *check_definitions))


@lru_cache(maxsize=256)
def _spec(patterns: tuple[str, ...]) -> GitIgnoreSpec:
    return GitIgnoreSpec.from_lines(patterns)


def shown(path: str) -> str:
    """A path as one line that can be shown and stored, whatever its bytes are."""
    text = path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)[:400]
