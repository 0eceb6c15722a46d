// Light or dark: as the system says, unless the person chose the other one here. A choice that equals
// the system's is not kept, so that the page follows the system again.

export type Theme = "light" | "dark";

const KEY = "hedgerow.theme";
const GROUND: Record<Theme, string> = { light: "#f4f2ea", dark: "#0f1512" };
const prefersDark = matchMedia("(prefers-color-scheme: dark)");

const systemTheme = (): Theme => (prefersDark.matches ? "dark" : "light");

export function currentTheme(): Theme {
  const chosen = localStorage.getItem(KEY);
  return chosen === "light" || chosen === "dark" ? chosen : systemTheme();
}

export function applyTheme(): void {
  const theme = currentTheme();
  document.documentElement.dataset.theme = theme;
  for (const meta of document.querySelectorAll<HTMLMetaElement>('meta[name="theme-color"]'))
    meta.content = GROUND[theme];
}

export function chooseTheme(theme: Theme): void {
  if (theme === systemTheme()) localStorage.removeItem(KEY);
  else localStorage.setItem(KEY, theme);
  applyTheme();
}

/** Calls @changed when the system's choice has changed what the page shows. Returns how to stop that. */
export function watchTheme(changed: () => void): () => void {
  const listener = () => {
    applyTheme();
    changed();
  };
  prefersDark.addEventListener("change", listener);
  return () => prefersDark.removeEventListener("change", listener);
}
