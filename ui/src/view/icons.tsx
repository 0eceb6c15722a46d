// The page's icons, drawn on a 20 by 20 grid in the colour of the text around them.
const draw = (path: string) => () => (
  <svg class="icon" viewBox="0 0 20 20" width="20" height="20" aria-hidden="true" focusable="false">
    <path
      d={path}
      fill="none"
      stroke="currentColor"
      stroke-width="1.6"
      stroke-linecap="round"
      stroke-linejoin="round"
    />
  </svg>
);

export const IconClose = draw("M5.5 5.5l9 9M14.5 5.5l-9 9");
export const IconPlus = draw("M10 4.5v11M4.5 10h11");
export const IconUp = draw("M10 15.5v-11M5.5 9L10 4.5 14.5 9");
export const IconDown = draw("M10 4.5v11M5.5 11l4.5 4.5 4.5-4.5");
export const IconSun = draw(
  "M10 6.8a3.2 3.2 0 100 6.4 3.2 3.2 0 000-6.4zM10 2v1.6M10 16.4V18M2 10h1.6M16.4 10H18M4.3 4.3l1.2 1.2M14.5 14.5l1.2 1.2M4.3 15.7l1.2-1.2M14.5 5.5l1.2-1.2",
);
export const IconMoon = draw("M16.5 11.8A6.8 6.8 0 118.2 3.5a5.4 5.4 0 008.3 8.3z");

export const IconGrip = () => (
  <svg class="icon" viewBox="0 0 20 20" width="20" height="20" aria-hidden="true" focusable="false">
    {[6, 10, 14].map((y) => [7.5, 12.5].map((x) => <circle cx={x} cy={y} r="1.3" fill="currentColor" />))}
  </svg>
);

export const Mark = () => (
  <svg class="mark" viewBox="0 0 64 64" width="28" height="28" aria-hidden="true" focusable="false">
    <path d="M14 54C7 43 7 32 14 21c7 11 7 22 0 33Z" />
    <path class="mark-tall" d="M32 54c-9-15-9-29 0-43 9 14 9 28 0 43Z" />
    <path d="M50 54c-7-11-7-22 0-33 7 11 7 22 0 33Z" />
    <circle class="mark-berry" cx="46" cy="11" r="5.5" />
  </svg>
);
