/* When a tombstone may be reaped (rule K6): grace periods, hints, late merges.
 *
 * One key; N copies with records of their own, which lag; a fallback of copy 0; the record with the
 * grace period and the hint. A merge is a message of any age: it is lost, doubled, or comes at any
 * later time, to any copy. A copy's state is what kv.State is: the dots of its siblings and the dots it
 * has heard of. Dot 1 is a value, dot 2 the delete that saw it, dot 4 a value that saw neither.
 *
 * I1  a value that was deleted is in no union of copies again
 * I2  a value that was acknowledged is in the union of copies
 *
 * -DPUT adds the third write, -DK=n another number of periods. Each other define removes one rule:
 *   NOCHECK      a copy takes merges of any grace period
 *   NOHINTCHECK  copies do not look for hints when they reap
 *   NOTALL       one copy's word is enough
 *   NOTSAME      copies reap whatever tombstone they hold, not the one that all hold
 *   NOHINT       a fallback serves before its hint is in the record
 *   EARLYCLOSE   a fallback closes its hint although it holds something
 *   NOLINGER     a hint that is closed does not keep anybody from reaping any more
 *   OWNNEED      a copy reaps before it is as far as every copy that was asked
 *   ASKERSGRACE  a merge carries the period of who asked, not that of the copy that was read
 */
#ifndef N
#define N 2
#endif
#ifndef K
#define K 3           /* periods that a tombstone is kept */
#endif
#ifndef GMAX
#define GMAX 5
#endif
#ifndef SLOTS
#define SLOTS 1       /* merges under way at a time, 1 or 2 */
#endif
#define F N           /* the fallback's index */
#define V 1
#define D 2
#define W 4

/* fallback */
#define ABSENT 0
#define OPENING 1
#define SERVING 2
#define CLOSING 3

byte G = 1;           /* the record: grace period */
bool hint;            /* the hint is open */
byte lingers;         /* the first period in which a closed hint does not count any more */
byte g[N+1] = 1;      /* what each node has applied of it */
bool seen[N+1];       /* the hint, at copy 0 and at the fallback */

byte S[N+1], C[N+1];  /* siblings, clock */
byte T[N];            /* period noted with a tombstone, 0 for none */

byte fst, opG;        /* the fallback; the period that its proposal names */
byte hbS, hbC, hbG, hb; /* its hand-back: 0 none, 1 sent, 2 the owner has it */

byte mS[SLOTS], mC[SLOTS], mG[SLOTS]; /* merges; period 0 is an empty slot */

byte rC, need, asked, does; /* a reap: clock of the tombstone, period, who is ready, who was told */
bool put, del, put2;
byte s1, c1, u;

#define UNION_S(a,b,x,y)  (((a)&(x)) | ((a)&~(y)) | ((x)&~(b)))
#define ALL ((1<<N)-1)
#define DEAD(i) (S[i]==D)

inline note(i) {      /* a copy's state has changed */
  if :: i<N && DEAD(i) -> T[i]=g[i] :: i<N && !DEAD(i) -> T[i]=0 :: else fi
}
inline take(i,s,c) {  /* merges a state into a copy's */
  s1 = UNION_S(S[i],C[i],s,c); c1 = C[i]|c;
  if :: (s1!=S[i] || c1!=C[i]) -> S[i]=s1; C[i]=c1; note(i) :: else fi;
  s1=0; c1=0
}
inline check() {
  s1=S[0]; c1=C[0]; u=1;
  do :: u<=N -> s1 = UNION_S(s1,c1,S[u],C[u]); c1=c1|C[u]; u++ :: else -> break od;
  assert(!del || (s1&V)==0);   /* I1 */
  assert(!put2 || (s1&W)!=0);  /* I2 */
  s1=0; c1=0; u=0
}
#ifdef NOCHECK
#define FRESH(t,i) true
#else
#define FRESH(t,i) ((t)+1 >= g[i])
#endif
#ifdef NOHINTCHECK
#define HINTED(i) false
#else
#define HINTED(i) (i==0 && seen[0])
#endif
#ifdef NOHINT
#define SERVES(i) true
#else
#define SERVES(i) (i<N || fst==SERVING)
#endif
#ifdef NOTALL
#define READY (asked!=0)
#else
#define READY (asked==ALL)
#endif
#ifdef NOTSAME
#define SAME(i) DEAD(i)
#else
#define SAME(i) (DEAD(i) && C[i]==rC)
#endif
#ifdef NOLINGER
#define OPEN hint
#else
#define OPEN (hint || G<lingers)
#endif
#ifdef ASKERSGRACE
#define TAG(i) G
#else
#define TAG(i) g[i]
#endif
#ifdef PUT
#define PUT2 true
#else
#define PUT2 false
#endif
#define LINGER (G+2)

#ifdef OWNNEED
#define NEED(i) (T[i]+K)
#else
#define NEED(i) (g[i])
#endif

#define NODE(i) \
  :: d_step { (g[i]!=G || (i==0 && seen[0]!=OPEN) || (i==F && seen[F]!=hint)) -> \
       g[i]=G; if :: (i==0) -> seen[0]=OPEN :: (i==F) -> seen[F]=hint :: else fi } \
  :: d_step { !put && SERVES(i) -> put=1; S[i]=V; C[i]=V; note(i) } \
  :: d_step { !del && SERVES(i) && (S[i]&V) -> del=1; S[i]=(S[i]&~V)|D; C[i]=C[i]|D; note(i); check() } \
  :: d_step { PUT2 && del && !put2 && SERVES(i) -> put2=1; S[i]=S[i]|W; C[i]=C[i]|W; note(i); check() } \
  SLOT(0,i) SLOT1(i)
#define SLOT(m,i) \
  :: d_step { mG[m]==0 && SERVES(i) && C[i]!=0 -> mS[m]=S[i]; mC[m]=C[i]; mG[m]=TAG(i) } \
  :: d_step { mG[m]!=0 && SERVES(i) && FRESH(mG[m],i) && NEWS(i,mS[m],mC[m]) -> take(i,mS[m],mC[m]); check() }
#if SLOTS>1
#define SLOT1(i) SLOT(1,i)
#else
#define SLOT1(i)
#endif
#define NEWS(i,s,c) (S[i]!=UNION_S(S[i],C[i],s,c) || ((c)&~C[i]))

#define COPY(i) \
  :: d_step { rC!=0 && !does && !(asked&(1<<i)) && SAME(i) && !HINTED(i) && g[i]>=T[i]+K -> \
       asked=asked|(1<<i); if :: (need<NEED(i)) -> need=NEED(i) :: else fi } \
  :: d_step { (does&(1<<i)) && SAME(i) && !HINTED(i) && g[i]>=T[i]+K && g[i]>=need -> \
       does=does&~(1<<i); S[i]=0; C[i]=0; T[i]=0; check(); \
       if :: !does -> rC=0; asked=0; need=0 :: else fi }

active proctype model() {
  do
  NODE(0) NODE(1) NODE(2)
#if N>2
  NODE(3)
#endif
  /* the period moves on while a tombstone waits; a merge is lost */
  :: d_step { G<GMAX && del -> G++ }
  :: d_step { mG[0]!=0 -> mG[0]=0; mS[0]=0; mC[0]=0 }
#if SLOTS>1
  :: d_step { mG[1]!=0 -> mG[1]=0; mS[1]=0; mC[1]=0 }
#endif

  /* the fallback: hint, service, hand-back */
  :: d_step { fst==ABSENT -> fst=OPENING; opG=g[F] }
  :: d_step { fst==OPENING && opG!=0 && !hint -> if :: opG+1>=G -> hint=1 :: else -> fst=ABSENT fi; opG=0 }
  :: d_step { fst==OPENING && opG==0 && seen[F] -> fst=SERVING }
  :: d_step { fst==SERVING && hb==0 && C[F]!=0 -> hb=1; hbS=S[F]; hbC=C[F]; hbG=g[F] }
  :: d_step { hb==1 -> if :: FRESH(hbG,0) -> take(0,hbS,hbC); hb=2; hbG=0; check() :: else -> hb=0; hbS=0; hbC=0; hbG=0 fi }
  :: d_step { hb==1 -> hb=0; hbS=0; hbC=0; hbG=0 }  /* no answer */
  :: d_step { hb==2 -> if :: (S[F]==hbS && C[F]==hbC) -> S[F]=0; C[F]=0 :: else fi; hb=0; hbS=0; hbC=0; check() }
#ifdef EARLYCLOSE
  :: d_step { fst==SERVING && hb==0 -> fst=CLOSING }
#else
  :: d_step { fst==SERVING && hb==0 && C[F]==0 -> fst=CLOSING }
#endif
  :: d_step { fst==CLOSING && hint -> hint=0; lingers=LINGER }
  :: d_step { fst==CLOSING && !hint && !seen[F] -> if :: C[F]!=0 -> fst=OPENING; opG=g[F] :: else -> fst=ABSENT fi }

  /* a reap: asks all, tells all, and each decides once more; it ends anywhere */
  :: d_step { rC==0 && DEAD(0) && g[0]>=T[0]+K -> rC=C[0] }
  :: d_step { rC!=0 && !does && READY -> does=ALL }
  :: d_step { rC!=0 -> rC=0; asked=0; need=0; does=0 }
  COPY(0) COPY(1)
#if N>2
  COPY(2)
#endif
  od
}
