// How the page is built: hashed names for script and style, nothing inlined (the page's CSP allows no
// inline script or style and no data: but images), and an /api proxy for development.
import { defineConfig, type Plugin } from "vite";

// The script decides between light and dark, so the first paint waits for it (where browsers can).
const scriptBeforeFirstPaint: Plugin = {
  name: "script-before-first-paint",
  transformIndexHtml: {
    order: "post",
    handler: (html) =>
      html
        .replace(/ crossorigin/g, "")
        .replace('<script type="module"', '<script type="module" blocking="render"'),
  },
};

export default defineConfig({
  plugins: [scriptBeforeFirstPaint],
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    target: "es2022",
    cssTarget: ["chrome123", "firefox120", "safari17.5"],
    assetsInlineLimit: 0,
    modulePreload: false,
    reportCompressedSize: false,
  },
  server: { proxy: { "/api": process.env.HEDGEROW_URL ?? "http://127.0.0.1:8080" } },
});
