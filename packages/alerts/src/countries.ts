/**
 * Where countries are, roughly, and which of them touch: for addresses of which no more is known than the country.
 *
 *     DE 51 9 DK FR …     middle of Germany at 51° N, 9° E; neighbours whose code is behind its own in the alphabet
 *
 * Neighbours have a border on land, or a bridge or tunnel that people use: DK–SE, BH–SA, MY–SG, FR–GB, HK–MO.
 *
 * Facts from The World Factbook (public domain), "Geographic coordinates" and "Land boundaries", as of 2026, in whole
 * degrees; for AX, BQ, GF, GP, MQ, RE and YT, which it has no pages of, from their positions on a map.
 *
 * Pure.
 */

/** Degrees; north and east are more than 0. */
export interface Position {
  readonly latitude: number
  readonly longitude: number
}

const TABLE = `
AD 43 2 ES FR; AE 24 54 OM SA; AF 33 65 CN IR PK TJ TM UZ; AG 17 -62; AI 18 -63;
AL 41 20 GR ME MK XK; AM 40 45 AZ GE IR TR; AO -13 19 CD CG NA ZM; AQ -90 0;
AR -34 -64 BO BR CL PY UY; AS -14 -170; AT 47 13 CH CZ DE HU IT LI SI SK; AU -27 133; AW 13 -70;
AX 60 20; AZ 41 48 GE IR RU TR;
BA 44 18 HR ME RS; BB 13 -60; BD 24 90 IN MM; BE 51 4 DE FR LU NL; BF 13 -2 BJ CI GH ML NE TG;
BG 43 25 GR MK RO RS TR; BH 26 51 SA; BI -4 30 CD RW TZ; BJ 10 2 NE NG TG; BL 19 -63; BM 32 -65;
BN 5 115 MY; BO -17 -65 BR CL PE PY; BQ 12 -68; BR -10 -55 CO GF GY PE PY SR UY VE; BS 24 -76;
BT 28 91 CN IN; BV -54 3; BW -22 24 NA ZA ZM ZW; BY 53 28 LT LV PL RU UA; BZ 17 -89 GT MX;
CA 60 -95 US; CC -12 97; CD 0 25 CF CG RW SS TZ UG ZM; CF 7 21 CG CM SD SS TD; CG -1 15 CM GA;
CH 47 8 DE FR IT LI; CI 8 -5 GH GN LR ML; CK -21 -160; CL -30 -71 PE; CM 6 12 GA GQ NG TD;
CN 35 105 HK IN KG KP KZ LA MM MN MO NP PK RU TJ VN; CO 4 -72 EC PA PE VE; CR 10 -84 NI PA;
CU 22 -80; CV 16 -24; CW 12 -69; CX -11 106; CY 35 33; CZ 50 16 DE PL SK;
DE 51 9 DK FR LU NL PL; DJ 12 43 ER ET SO; DK 56 10 SE; DM 15 -61; DO 19 -71 HT;
DZ 28 3 EH LY MA ML MR NE TN;
EC -2 -78 PE; EE 59 26 LV RU; EG 27 30 IL LY PS SD; EH 25 -13 MA MR; ER 15 39 ET SD;
ES 40 -4 FR GI MA PT; ET 8 38 KE SD SO SS;
FI 64 26 NO RU SE; FJ -18 175; FK -52 -59; FM 7 158; FO 62 -7; FR 46 2 GB IT LU MC;
GA -1 12 GQ; GB 54 -2 IE; GD 12 -62; GE 42 44 RU TR; GF 4 -53 SR; GG 49 -3; GH 8 -2 TG; GI 36 -5;
GL 72 -40; GM 13 -17 SN; GN 11 -10 GW LR ML SL SN; GP 16 -62; GQ 2 10; GR 39 22 MK TR; GS -55 -37;
GT 16 -90 HN MX SV; GU 13 145; GW 12 -15 SN; GY 5 -59 SR VE;
HK 22 114 MO; HM -53 73; HN 15 -87 NI SV; HR 45 16 HU ME RS SI; HT 19 -72; HU 47 20 RO RS SI SK UA;
ID -5 120 MY PG TL; IE 53 -8; IL 32 35 JO LB PS SY; IM 54 -5; IN 20 77 MM NP PK; IO -6 72;
IQ 33 44 IR JO KW SA SY TR; IR 32 53 PK TM TR; IS 65 -18; IT 43 13 SI SM VA;
JE 49 -2; JM 18 -78; JO 31 36 PS SA SY; JP 36 138;
KE 1 38 SO SS TZ UG; KG 41 75 KZ TJ UZ; KH 13 105 LA TH VN; KI 1 173; KM -12 44; KN 17 -63;
KP 40 127 KR RU; KR 37 128; KW 30 46 SA; KY 20 -81; KZ 48 68 RU TM UZ;
LA 18 105 MM TH VN; LB 34 36 SY; LC 14 -61; LI 47 10; LK 7 81; LR 7 -10 SL; LS -30 29 ZA;
LT 56 24 LV PL RU; LU 50 6; LV 57 25 RU; LY 25 17 NE SD TD TN;
MA 29 -10 MR; MC 44 7; MD 47 29 RO UA; ME 43 19 RS XK; MF 18 -64 SX; MG -20 47; MH 9 168;
MK 42 22 RS XK; ML 17 -4 MR NE SN; MM 22 98 TH; MN 46 105 RU; MO 22 114; MP 15 146; MQ 15 -61;
MR 20 -12 SN; MS 17 -62; MT 36 15; MU -20 58; MV 3 73; MW -14 34 MZ TZ ZM; MX 23 -102 US;
MY 3 113 SG TH; MZ -18 35 SZ TZ ZA ZM ZW;
NA -22 17 ZA ZM; NC -22 166; NE 16 8 NG TD; NF -29 168; NG 10 8 TD; NI 13 -85; NL 53 6;
NO 62 10 RU SE; NP 28 84; NR -1 167; NU -19 -170; NZ -41 174;
OM 21 57 SA YE;
PA 9 -80; PE -10 -76; PF -15 -140; PG -6 147; PH 13 122; PK 30 70; PL 52 20 RU SK UA; PM 47 -56;
PN -25 -130; PR 18 -67; PS 31 34; PT 40 -8; PW 8 135; PY -23 -58;
QA 26 51 SA;
RE -21 56; RO 46 25 RS UA; RS 44 21 XK; RU 60 100 UA; RW -2 30 TZ UG;
SA 25 45 YE; SB -8 159; SC -5 56; SD 15 30 SS TD; SE 62 15; SG 1 104; SH -16 -6; SI 46 15; SJ 71 -8;
SK 49 20 UA; SL 9 -12; SM 44 12; SN 14 -14; SO 10 49; SR 4 -56; SS 8 30 UG; ST 1 7; SV 14 -89;
SX 18 -63; SY 35 38 TR; SZ -27 32 ZA;
TC 22 -72; TD 15 19; TF -38 78; TG 8 1; TH 15 100; TJ 39 71 UZ; TK -9 -172; TL -9 126; TM 40 60 UZ;
TN 34 9; TO -20 -175; TR 39 35; TT 11 -61; TV -8 178; TW 24 121; TZ -6 35 UG ZM;
UA 49 32; UG 1 32; UM 19 167; US 38 -97; UY -33 -56; UZ 41 64;
VA 42 12; VC 13 -61; VE 8 -66; VG 19 -65; VI 18 -65; VN 16 108; VU -16 167;
WF -13 -176; WS -14 -172;
XK 43 21;
YE 15 48; YT -13 45;
ZA -29 24 ZW; ZM -15 30 ZW; ZW -20 30;`

const MIDDLES = new Map<string, Position>()

/** Pairs of codes, in alphabetical order. */
const NEIGHBOURS = new Set<string>()

for (const line of TABLE.split(";")) {
  const [code = "", latitude, longitude, ...later] = line.trim().split(" ")
  if (code === "") continue
  MIDDLES.set(code, { latitude: Number(latitude), longitude: Number(longitude) })
  for (const neighbour of later) NEIGHBOURS.add(code + neighbour)
}

/** Returns the middle of a country, or `undefined` if there is none with this code: ISO 3166-1 alpha-2, or XK. */
export function middleOf(country: string): Position | undefined {
  return MIDDLES.get(country)
}

/** Whether one may be in both countries at once, as far as countries tell: they are the same, or neighbours. */
export function touch(country: string, other: string): boolean {
  return country === other || NEIGHBOURS.has(country < other ? country + other : other + country)
}

/** Kilometres between two positions. */
export function distanceKm(from: Position, to: Position): number {
  const RADIUS_KM = 6371
  const radians = Math.PI / 180
  const north = Math.sin(((to.latitude - from.latitude) * radians) / 2) ** 2
  const east = Math.sin(((to.longitude - from.longitude) * radians) / 2) ** 2
  const chord = north + Math.cos(from.latitude * radians) * Math.cos(to.latitude * radians) * east
  return 2 * RADIUS_KM * Math.asin(Math.min(1, Math.sqrt(chord)))
}
