"""Brings README.md and its like into the site, turns links that leave docs/, adds Markdown and llms.txt."""

import os
import re
from pathlib import Path, PurePosixPath
from typing import Final

from jinja2 import Environment
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

BESIDE: Final = {
    "README.md": "readme.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "report-a-fault.md",
}
"""Documents in the root of the repository, and their pages; docs/security.md is another one."""

LINK: Final = re.compile(r"\[(?P<text>[^\]]*)\]\((?P<target>[^)\s:]+)\)")
"""A link of Markdown to a file or an anchor of ours; one with a colon leads to another host."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the documents of the root."""
    root = PurePosixPath(config.config_file_path).parent
    for name, page in BESIDE.items():
        files.append(File.generated(config, page, abs_src_path=str(root / name)))
    return files


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:
    """Turn the links of one page."""
    name = page.file.src_uri
    source = next((source for source, made in BESIDE.items() if made == name), f"docs/{name}")
    return LINK.sub(lambda link: turned(link, PurePosixPath(source).parent, name), markdown)


def on_page_content(html: str, page: Page, config: MkDocsConfig, **_: object) -> str:
    """Write the Markdown of a page beside it."""
    beside = Path(config.site_dir, page.file.src_uri)
    beside.parent.mkdir(parents=True, exist_ok=True)
    beside.write_text(page.markdown or "")
    return html


def on_env(env: Environment, config: MkDocsConfig, files: Files) -> Environment:
    """Write the list of the Markdown files for language models, in the form of llmstxt.org."""
    pages = [file.page for file in files.documentation_pages() if file.page is not None]
    lines = [f"- [{page.title}]({config.site_url}{page.file.src_uri})" for page in pages]
    head = f"# {config.site_name}\n\n> {config.site_description}\n\n## Documents\n\n"
    Path(config.site_dir, "llms.txt").write_text(head + "\n".join(lines) + "\n")
    return env


def turned(link: re.Match[str], folder: PurePosixPath, page: str) -> str:
    """The link as the site needs it: to a page, to the code if the site knows where that is, or its text."""
    target, mark, anchor = link["target"].partition("#")
    if not target:
        return link[0]
    path = os.path.normpath(folder / target)
    if made := BESIDE.get(path) or page_of(path):
        return f"[{link['text']}]({os.path.relpath(made, PurePosixPath(page).parent)}{mark}{anchor})"
    source = os.environ.get("DOCS_SOURCE_URL", "").rstrip("/")
    return f"[{link['text']}]({source}/{path})" if source else link["text"]


def page_of(path: str) -> str | None:
    """The page of a file of the repository, if it is a document of docs/."""
    return path.removeprefix("docs/") if path.startswith("docs/") and path.endswith(".md") else None
