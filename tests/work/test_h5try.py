import json, os, time, subprocess
import pytest
from transcode.contract import *
def show(name, p, st, ffprobe=None):
    print("=====", name, p.outcome.value, p.failure and (p.failure.type, p.failure.message, p.failure.evidence.get("stderr_tail","")[-1500:] if "-v" in name or p.failure.type!="OutputRejected" else ""))
    for c in p.checks:
        if not c.passed: print("  BAD", c.name, c.detail)
    if p.notes: print("  notes", p.notes)
    for a in p.artifacts:
        if a.kind in ("rendition","audio","poster"): print("   ", a.path, a.made_by, a.bytes, a.duration_seconds, a.video, a.audio)
S=dict(poster=Poster(width=320,height=240,candidates=8), sprites=Sprites(interval_seconds=2,columns=2,rows=2,tile_width=80,tile_height=60,count=1))
def test_try(make_task, make_recipe, make_clip, performed, video, audio, ffmpeg, tmp_path):
    only=os.environ.get("ONLY")
    def go(name, clip, rec):
        if only and only not in name: return
        t=make_task(clip, rec); s=time.time(); p, st = performed(t); show(f"{name} {time.time()-s:.2f}s", p, st); os.system(f"rm -rf /tmp/h5/out/{name}; mkdir -p /tmp/h5/out; cp -r {st} /tmp/h5/out/{name}")
    v=video(320,240); v2=video(160,120)
    clip=make_clip("a",2)
    mp4=FilePackaging(files=(OutputFile(name="video.mp4",container="mp4",video="240p",audio=("aac",)),))
    go("mp4", clip, make_recipe(video=(v,), packaging=mp4, **S))
    aud=FilePackaging(files=(OutputFile(name="audio.m4a",container="mp4",video=None,audio=("aac",)),OutputFile(name="audio.ogg",container="ogg",video=None,audio=("opus",))))
    L=Loudness(integrated_lufs=-16,true_peak_dbtp=-1.5)
    go("audio", clip, make_recipe(video=(), video_index=None, audio=(audio(loudness=L), audio(name="opus",codec="opus",encoder="libopus",loudness=L)), packaging=aud))
    cp=video(320,240,made_by="copied",encoder=None)
    copysrc=make_clip("copy",4,extra=("-g","50","-bf","2"))
    go("copy", copysrc, make_recipe(video=(cp,v2), audio=(audio(made_by="copied",encoder=None,channels=1),), keyframes="source", **S))
    go("allcopy", copysrc, make_recipe(video=(cp,), audio=(audio(made_by="copied",encoder=None,channels=1),), keyframes="source"))
    go("remux", copysrc, make_recipe(video=(cp,), audio=(audio(made_by="copied",encoder=None,channels=1),), keyframes="source", packaging=mp4))
    one=make_clip("one",0.04,audio=False)
    go("one", one, make_recipe(audio=(), **S))
    go("onemp4", one, make_recipe(audio=(), video=(v,),packaging=FilePackaging(files=(OutputFile(name="video.mp4",container="mp4",video="240p"),)), **S))
    go("fifth", make_clip("fifth",0.2), make_recipe(**S))
    go("ntscmkv", make_clip("n.mkv",3,rate="30000/1001"), make_recipe())
    go("odd", make_clip("odd",1,size="322x242"), make_recipe(video=(video(322,242),video(182,136)), **S))
    vfr=make_clip("vfr",3,extra=("-vf","select='not(mod(n,3))+gt(t,1.5)'","-fps_mode","vfr"))
    go("vfr", vfr, make_recipe(**S)); go("vfrmp4", vfr, make_recipe(video=(v,), packaging=mp4))
    for codec,enc,pre in (("hevc","libx265","ultrafast"),("av1","libsvtav1","12"),("vp9","libvpx-vp9","8")):
        r=dict(codec=codec,encoder=enc,preset=pre,codec_profile=None,crf=35)
        go(codec, make_clip("c",5), make_recipe(video=(video(320,240,**r),video(160,120,**r)), audio=(audio(name="opus",codec="opus",encoder="libopus"),) if codec!="hevc" else (audio(),)))
        go(codec+"file", make_clip("c",5), make_recipe(video=(video(320,240,**r),), audio=(audio(name="opus",codec="opus",encoder="libopus"),), packaging=FilePackaging(files=(OutputFile(name="v.webm" if codec!="hevc" else "v.mp4",container="webm" if codec!="hevc" else "mp4",video="240p",audio=("opus",)),))))
    late=tmp_path/"late.mp4"; subprocess.run([ffmpeg,"-v","error","-i",clip,"-itsoffset","0.5","-i",clip,"-map","0:v","-map","1:a","-c","copy",late],check=True)
    go("late",late,make_recipe()); go("latemp4",late,make_recipe(video=(v,),packaging=mp4))
    vlate=tmp_path/"vlate.mp4"; subprocess.run([ffmpeg,"-v","error","-itsoffset","0.5","-i",clip,"-i",clip,"-map","0:v","-map","1:a","-c","copy",vlate],check=True)
    go("vlate",vlate,make_recipe(**S)); go("vlatemp4",vlate,make_recipe(video=(v,),packaging=mp4))
    rot=tmp_path/"rot.mp4"; subprocess.run([ffmpeg,"-v","error","-display_rotation","90","-i",clip,"-c","copy",rot],check=True)
    go("rot",rot,make_recipe(video=(video(240,320),video(120,160,name="x")), **S))
    go("nvenc",clip,make_recipe(video=(video(320,240,encoder="h264_nvenc"),)))
    go("fps",clip,make_recipe(video=(video(320,240,frame_rate=Fraction(15)),video(160,120,frame_rate=Fraction(15)))))
    go("noaudio",clip,make_recipe(audio=()))
    go("audcmaf",clip,make_recipe(video=()))
    go("stills",clip,make_recipe(video=(),audio=(),**S))
